"""Pages in use: readable colours, the keyboard, the image switch, many images."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pytest
from PIL import Image

import cnnviz
from cnnviz.formats.prototxt import parse_net
from cnnviz.gallery.index import ModelCard, build_index, card_data
from cnnviz.gallery.page import build_gallery
from cnnviz.plots.common.html import template
from cnnviz.plots.common.mosaic import color_scale, mosaic, tile_layout
from cnnviz.plots.common.text import counted
from support.browser import Page, needs_browser, title_after


def luminance(color: str) -> float:
    shares = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in shares)
    return sum(weight * v for weight, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(color: str, background: str) -> float:
    bright, dark = sorted((luminance(color), luminance(background)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.fixture(scope="module")
def page(demo) -> str:
    return demo[1].page.read_text(encoding="utf-8")


@pytest.mark.parametrize("style", [0, 1], ids=["light", "dark"])
def test_words_can_be_read(page, style):
    """The colours of the page's own style, not of its source: (text, background) at least 4.5 to 1."""
    sets = re.findall(r":root\{([^{}]*--background:[^{}]*)\}", page)
    assert len(sets) == 2
    colors = dict(re.findall(r"--([\w-]+):(#[0-9A-Fa-f]{6})", sets[style]))
    css = template("page.css", "cnnviz.gallery") + template("graph.css")
    words = set(re.findall(r"[{ ;]color: var\(--([\w-]+)\)", css))
    backgrounds = set(re.findall(r"background: var\(--([\w-]+)\)", css)) - {"edge", "accent", "grid"}
    assert {"text", "muted", "accent"} <= words and backgrounds == {"background", "panel"}
    for word, background in itertools.product(words, backgrounds):
        assert contrast(colors[word], colors[background]) >= 4.5, (word, background)
    for line in ("edge", "accent"):  # of controls, bars and focus
        assert contrast(colors[line], colors["background"]) >= 3, line


def test_focus_is_seen_and_motion_can_be_refused():
    css = template("page.css", "cnnviz.gallery")
    assert re.search(r":focus-visible \{ outline: 2px solid var\(--accent\)", css)
    assert not re.search(r":focus[^{]*\{[^}]*outline: (none|0)", css)
    assert "prefers-reduced-motion: reduce" in css and "scroll-behavior: auto" in css
    assert "transition" not in css and "animation" not in css


def test_a_rule_stands_once():
    rules = re.findall(r"^([^\s@/][^{]*)\{[^}]*\}", template("page.css", "cnnviz.gallery"), re.MULTILINE)
    assert len(rules) > 80 and len(rules) == len(set(rules))


def test_tables_have_headers(page):
    for head in re.findall("<th[ >][^>]*>", page):
        assert 'scope="col"' in head or 'scope="row"' in head


def test_images_give_their_size(page):
    images = re.findall("<img [^>]*>", page)
    assert images and all(re.search(r' width="\d+" height="\d+"', image) for image in images)
    assert "loading=" not in page  # pages are looked at without scrolling too: printed, as a picture


@needs_browser
def test_the_keyboard_reaches_every_control(page, tmp_path):
    """Every control is one that Tab stops at, and shows that it has the focus."""
    probe = (
        "addEventListener('load', () => setTimeout(() => {"
        "const controls = [...document.querySelectorAll('a[href], button, input, summary, [role=button]')]"
        ".filter((c) => c.checkVisibility && c.checkVisibility());"
        "const deaf = controls.filter((c) => { c.focus(); return document.activeElement !== c"
        " || c.tabIndex < 0; });"
        "document.title = `controls=${controls.length} deaf=${deaf.length}`; }, 200));"
    )
    title = title_after(page, probe, tmp_path)
    controls, deaf = map(int, re.findall(r"\d+", title))
    assert controls > 40 and deaf == 0


# Several images


NET = """name: "small" input: "data" input_shape { dim: 1 dim: 1 dim: 12 dim: 12 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with a net, its weights and three images; and the page of all."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "net.prototxt").write_text(NET)
    generator = np.random.default_rng(3)
    net = cnnviz.Net(str(folder / "net.prototxt"), cnnviz.TEST)
    for name in ("conv", "ip"):
        weights = net.params[name][0].data
        weights[...] = generator.normal(size=weights.shape)
    net.save(str(folder / "net.caffemodel"))
    net.close()
    (folder / "images").mkdir()
    for k in range(10):
        pixels = generator.integers(0, 255 - 20 * k, (12, 12), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def three(small) -> str:
    images = [small / "images" / f"{k}.png" for k in range(3)]
    return build_gallery(small / "net.prototxt", small / "net.caffemodel", images)


def test_one_place_shows_a_layer_for_all_images(three):
    """Links lead to the layer, where the images stand below one another."""
    parsed = Page(three)
    row = re.search(r'<tr id="[^"]*" data-box="[^"]*"><th scope="row"><a [^>]*>conv</a>.*?</tr>', three)
    assert re.findall('href="#(maps[^"]*)"', row[0]) == ["maps-conv-relu"]
    place = three[three.index('id="maps-conv-relu"') :].split("</section>")[0]
    rows = re.findall(r'class="of of-(\d)" id="maps-(\d)-conv-relu"', place)
    assert rows == [("0", "0"), ("1", "1"), ("2", "2")]
    assert {f"image-{k}" for k in range(3)} <= set(parsed.ids)


def test_facts_that_all_images_share_stand_in_the_heading(three):
    heading = re.search(r'id="maps-conv-relu"><h4>(.*?)</h4>', three)[1]
    assert "6 maps of 10 × 10" in heading and " to " not in heading
    notes = re.findall(r'id="maps-\d-conv-relu"><p class="note"><b>(\d).png</b> 0 to ([\d.]+)', three)
    assert [name for name, _ in notes] == ["0", "1", "2"] and len({most for _, most in notes}) == 3


def test_one_image_needs_no_switch(small, three):
    one = build_gallery(small / "net.prototxt", small / "net.caffemodel", [small / "images" / "0.png"])
    assert "only-0" not in one and three.count('name="only"') == 4


@needs_browser
def test_the_switch_leaves_one_image(three, tmp_path):
    """By style alone; a link to what it hides shows all again."""
    probe = (
        "addEventListener('load', () => setTimeout(() => {"
        "const seen = () => [...document.querySelectorAll('.of')].filter((e) => e.offsetParent !== null)"
        ".map((e) => e.className.match(/of-(\\d)/)[1]);"
        "const all = new Set(seen()).size; document.getElementById('only-1').click();"
        "const one = [...new Set(seen())].join(); location.hash = 'maps-2-ip'; setTimeout(() => {"
        "document.title = `all=${all} one=${one} again=${new Set(seen()).size}`; }, 200); }, 200));"
    )
    title = title_after(three, probe, tmp_path)
    assert title == "all=3 one=1 again=3"


def test_images_beyond_the_eighth_are_counted(small):
    page = build_gallery(small / "net.prototxt", small / "net.caffemodel", [small / "images"])
    assert "The first 8 of 10 images are shown." in page
    assert page.count('class="card image ') == 8


def test_of_deep_nets_layers_of_all_depths_are_shown(tmp_path):
    layers, bottom = "", "data"
    for k in range(20):
        layers += f"""layer {{ name: "c{k}" type: "Convolution" bottom: "{bottom}" top: "c{k}"
            convolution_param {{ num_output: 2 kernel_size: 1 weight_filler {{ type: "xavier" }} }} }}"""
        bottom = f"c{k}"
    model = tmp_path / "deep.prototxt"
    model.write_text(f'input: "data" input_shape {{ dim: 1 dim: 2 dim: 4 dim: 4 }} {layers}')
    net = cnnviz.Net(str(model), cnnviz.TEST)
    net.save(str(tmp_path / "deep.caffemodel"))
    net.close()
    page = build_gallery(model, tmp_path / "deep.caffemodel")
    cards = re.findall(r'<details class="card" id="filters-(\w+)"', page)
    assert len(cards) == 16 and cards[0] == "c0" and cards[-1] == "c19"
    assert "16 of them, from the first to the last, are shown." in page
    assert '<nav aria-label="Sections">' in page and "<nav" not in build_gallery(model)


def test_a_page_of_logs_alone_promises_no_maps(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("".join(
        f"I0101 00:00:0{n}.000000  1 solver.cpp:1] Iteration {n}, loss = {9 - n}\n" for n in range(1, 6)
    ))  # fmt: skip
    page = build_gallery(parse_net(NET), logs=[log])
    assert "filters and maps" not in page and '<th scope="col">more</th>' not in page


# Pieces


def test_frames_stand_around_neighbours():
    values = np.zeros((6, 3, 3))
    scale, layout = color_scale(np.array([-1.0, 1.0])), tile_layout(6, 3, 3, 3)
    plain, framed = (mosaic(values, layout, scale, framed=groups) for groups in ([], [range(3, 6)]))
    changed = np.argwhere((plain != framed).any(axis=2))
    middle = plain.shape[0] // 2
    assert changed[:, 0].min() >= middle - 2 and changed[:, 1].min() == 0
    assert tuple(framed[-1, 5]) == (0xD5, 0x5E, 0x00, 255)


def test_words_for_numbers():
    assert [counted(n, "box") for n in (0, 1, 2)] == ["0 boxes", "1 box", "2 boxes"]
    assert counted(3, "model") == "3 models"


# The index


@needs_browser
def test_the_index_can_be_sorted(tmp_path):
    for name, layers, best in (("b", "9", "99.1%"), ("a", "1,200", None), ("c", "25.6 K", "7.5%")):
        facts = [("layers", layers)] + ([("best", best)] if best else [])
        (tmp_path / f"{name}.html").write_text(card_data(ModelCard(name, f"{name}.prototxt", facts, [])))
    page = build_index(tmp_path).read_text(encoding="utf-8")
    probe = (
        "addEventListener('load', () => { const found = []; const order = () => found.push("
        "[...document.querySelectorAll('tbody th')].map((e) => e.textContent).join(''));"
        "const heads = [...document.querySelectorAll('thead button')]; order();"
        "[2, 2, 3, 0].forEach((k) => { heads[k].click(); order(); });"
        "document.title = JSON.stringify([...found, document.querySelector('[aria-sort]').textContent]);"
        "});"
    )
    title = title_after(page, probe, tmp_path)
    assert json.loads(title) == ["abc", "cab", "bac", "bca", "abc", "model"]
