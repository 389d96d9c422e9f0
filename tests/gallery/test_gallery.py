"""The gallery page and the index: links, sizes, text for blind readers, and hostile names."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cnnviz.cli.main import cnnviz_command
from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.prototxt import parse_net
from cnnviz.gallery.html import Anchors
from cnnviz.gallery.index import ModelCard, build_index, card_data
from cnnviz.gallery.page import build_gallery
from cnnviz.gallery.section import all_sections
from cnnviz.plots.common.mosaic import block_means, color_scale, mosaic, png, tile_layout
from support.browser import Page, needs_browser, title_after

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&amp;\u202egnp\x01\n<b>"


@pytest.fixture(scope="module")
def page(demo) -> str:
    return demo[1].page.read_text(encoding="utf-8")


def test_the_page_is_small(page):
    assert len(page.encode()) < 2_000_000


def test_every_link_leads_somewhere(page):
    parsed = Page(page)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(link[1:] in parsed.ids for link in parsed.links if link.startswith("#"))
    assert {"#filters-conv2", "#maps-conv2", "#maps-ip1-relu1", "#features"} <= set(parsed.links)


def test_layers_are_linked_both_ways(page):
    row = re.search(r'<tr id="[^"]*" data-box="([^"]*)"><th scope="row"><a [^>]*>conv2</a>.*?</tr>', page)
    assert 'href="#filters-conv2"' in row[0] and 'href="#maps-conv2"' in row[0]
    for id in ("filters-conv2", "maps-conv2"):
        place = page[page.index(f'id="{id}"') :][:3000]
        assert f'href="#{row[1]}"' in place


def test_the_filters_say_whether_the_net_is_trained(page):
    assert "Trained: 2 layers judged, and none looks like random initial weights" in page


def test_pictures_are_described_in_words(page):
    parsed = Page(page)
    assert len(parsed.alts) > 20 and all(len(alt) > 10 for alt in parsed.alts)
    assert all(parsed.labels)
    assert any(re.search("strongest on average are channels", alt) for alt in parsed.alts)
    assert any(label.startswith("Receptive field of the strongest unit: rows") for label in parsed.labels)


def test_headings_step_down_one_at_a_time(page):
    headings = Page(page).headings
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(headings))
    assert {"header", "main", "nav", "footer"} <= set(Page(page).tags)


def test_mosaics_hold_the_numbers(page):
    values = np.array([[[0.0, 1.0], [-1.0, 0.5]], [[np.nan, 0.25], [0.0, -0.5]]])
    scale = color_scale(np.array([-1.0, 1.0]))
    pixels = mosaic(values, tile_layout(2, 2, 2, 2), scale)
    image = Image.open(io.BytesIO(png(pixels)))
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), pixels)
    zoom, gap = 14, 2
    for k, tile in enumerate(values):
        for (row, column), value in np.ndenumerate(tile):
            found = pixels[gap + row * zoom + 5, gap + k * (2 * zoom + gap) + column * zoom + 5]
            want = scale.colors(np.array([value]))[0]
            assert np.abs(found.astype(int) - want).max() <= 4, (k, row, column)
    assert pixels[0, 0, 3] < 255  # a gap


def test_large_maps_are_averaged():
    tile = np.arange(10 * 7, dtype=np.float32).reshape(10, 7)
    layout = tile_layout(2, 10, 7, side=4)
    assert (layout.block, layout.height, layout.width) == (3, 4, 3)
    found = block_means(tile, 3, 3)
    assert found.shape == (4, 3) and found[0, 0] == tile[:3, :3].mean() and found[3, 2] == tile[9, 6]
    assert block_means(np.stack([tile] * 3, axis=2), 3, 3)[3, 1].tolist() == [tile[9, 3:6].mean()] * 3


def test_ids_are_unique_and_plain():
    anchors = Anchors()
    ids = [anchors.id("maps", name) for name in ("a/b", "a-b", "a b", "<b>", "名")]
    assert len(set(ids)) == 5 and all(re.fullmatch("[a-z0-9-]+", id) for id in ids)
    assert anchors.id("maps", "a-b") == ids[1]


def hostile_net():
    name = json.dumps(HOSTILE, ensure_ascii=False).replace("\\u0001", "\\001")
    return parse_net(
        f"""name: {name} input: "data" input_dim: 1 input_dim: 3 input_dim: 16 input_dim: 16
        layer {{ name: {name} type: "Convolution" bottom: "data" top: {name}
          convolution_param {{ num_output: 4 kernel_size: 3 }} }}
        layer {{ name: "twin" type: {name} bottom: {name} top: "twin" }}""",
        "a<b>.prototxt",
    )


def test_names_stay_text():
    text = build_gallery(hostile_net())
    parsed = Page(text)
    assert "b" not in parsed.tags and "img" not in parsed.tags
    assert "\u202e" not in text and "\x01" not in text
    plain = Page(build_gallery(parse_net(HARMLESS)))
    assert parsed.tags.count("script") == plain.tags.count("script")


HARMLESS = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 16 input_dim: 16'


def test_what_cannot_be_made_is_said(tmp_path):
    with pytest.raises(CnnvizError, match="Feature maps need weights"):
        build_gallery(parse_net(HARMLESS), images=["a.png"])
    with pytest.raises(FileError, match=r"cannot be written: there is no folder .*; create it first"):
        build_gallery(parse_net(HARMLESS), path=tmp_path / "nowhere" / "page.html")
    with pytest.raises(FileError, match=r"^nowhere\.log: cannot be read"):
        build_gallery(parse_net(HARMLESS), logs="nowhere.log")  # one name is not a list of characters
    run = CliRunner().invoke(cnnviz_command, ["gallery"])
    assert run.exit_code == 2 and "Give MODEL and OUT, a PAGE.html, or --index DIR." in run.output


# The index


def test_an_index_over_pages(demo, tmp_path):
    for name, text in (
        ("hostile", build_gallery(hostile_net())),
        ("lenet", demo[1].page.read_text(encoding="utf-8")),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(text, encoding="utf-8")
    (tmp_path / "other.html").write_text("<p>not ours</p>")
    run = CliRunner().invoke(cnnviz_command, ["gallery", "--index", str(tmp_path)], catch_exceptions=False)
    assert run.output.strip() == f"Wrote {tmp_path / 'index.html'}"
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    parsed = Page(text)
    assert parsed.links.count("lenet/index.html") == 2 and not any("other" in link for link in parsed.links)
    assert "431 K" in text and "best test accuracy" in text and "2 models" in text
    assert parsed.tags.count("script") == 1 and "img" not in parsed.tags and "b" not in parsed.tags
    build_index(tmp_path)  # an old index is no model's page


def test_a_models_page_is_not_overwritten(tmp_path):
    (tmp_path / "net.html").write_text(build_gallery(parse_net(HARMLESS)), encoding="utf-8")
    (tmp_path / "index.html").write_text(build_gallery(parse_net(HARMLESS)), encoding="utf-8")
    with pytest.raises(FileError, match=r"index.html: is the page of a model; move it"):
        build_index(tmp_path)


@pytest.mark.parametrize(
    "data", ["{", "[]", '{"title": 1}', '{"title":"","files":"","facts":[],"boxes":[[1,2,3,4,99]]}']
)
def test_damaged_cards_are_passed_over(tmp_path, data):
    good = card_data(ModelCard("fine", "fine.prototxt", [("layers", "1")], [(0, 0, 10, 10, 1)]))
    (tmp_path / "good.html").write_text(good)
    (tmp_path / "bad.html").write_text(re.sub(">.*<", lambda m: f">{data}<", good))
    parsed = Page(build_index(tmp_path).read_text(encoding="utf-8"))
    assert parsed.links.count("good.html") == 2 and "bad.html" not in parsed.links


def test_a_folder_without_pages(tmp_path):
    with pytest.raises(FileError, match="contains no page made by cnnviz gallery"):
        build_index(tmp_path)
    with pytest.raises(FileError, match="is not a folder"):
        build_index(tmp_path / "nowhere")


@needs_browser
def test_links_open_what_they_name(page, tmp_path):
    """A link to a folded card unfolds it; one to a box of the graph chooses the box."""
    box = re.search(r'data-box="([^"]*)"><th scope="row"><a [^>]*>conv2</a>', page)[1]
    probe = (
        "addEventListener('load', () => { location.hash = 'filters-ip2'; setTimeout(() => {"
        f"location.hash = '{box}'; setTimeout(() => {{ document.title = 'card=' +"
        " document.getElementById('filters-ip2').open + ' panel=' +"
        " document.querySelector('.panel h3').textContent + ' links=' +"
        " document.querySelectorAll('.panel section > p > a').length; }, 300); }, 300); });"
    )
    title = title_after(page, probe, tmp_path)
    assert title == "card=true panel=conv2 Convolution links=2"


def test_the_maps_are_real_pngs(page):
    found = re.findall(r'<img class="pixels" src="data:image/png;base64,([^"]+)"', page)
    sizes = [Image.open(io.BytesIO(base64.b64decode(data))).size for data in found]
    assert len(found) > 12 and all(width > 20 for width, _ in sizes)


def test_sections_are_those_of_the_folder_in_the_order_of_the_page():
    sections = all_sections()
    assert [section.key for section in sections] == ["graph", "filters", "features", "training"]
    assert len({section.rank for section in sections}) == len(sections)
    assert all(section.__doc__ and section.title for section in sections)
