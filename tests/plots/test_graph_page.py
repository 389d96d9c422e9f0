"""The interactive page of a graph, in a real browser where one is installed."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from cnnviz.analysis.filter_measures import filter_banks
from cnnviz.api.graph import draw_net, graph_picture
from cnnviz.formats.prototxt import parse_net
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.sheets import MIN_SCALE, SHEET, paper_pieces
from cnnviz.plots.graph.weight_facts import weight_facts
from support import big_nets

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS += ["--virtual-time-budget=4000", "--window-size=1280,900"]


class Page(HTMLParser):
    """Collects ids, links, tags and the text of the table."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.tags, self.rows = [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found and tag != "use" else []
        self.rows += tag == "tr" and "data-box" in found


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "net.html"
    draw_net(parse_net(big_nets.resnet()), path)
    return path.read_text(encoding="utf-8")


def test_every_layer_is_in_the_table_and_every_box_leads_to_it(page):
    picture = graph_picture(parse_net(big_nets.resnet()))
    parsed = Page(page)
    assert parsed.rows == len(picture.summaries[0].layers)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert len(parsed.links) == parsed.rows + len(picture.scene.nodes)
    assert all(link[0] == "#" and link[1:] in parsed.ids for link in parsed.links)


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
@pytest.mark.parametrize("net", [big_nets.resnet(), big_nets.ssd()], ids=["residual", "detector"])
def test_on_paper_every_box_is_whole_and_can_be_read(net, rankdir):
    scene = graph_picture(parse_net(net), GraphOptions(rankdir=rankdir)).scene
    pieces = paper_pieces(scene)
    assert len(pieces) > 2
    for piece in pieces:
        assert piece.width * piece.scale <= SHEET[0] + 1 and piece.height * piece.scale <= SHEET[1] + 1
        assert piece.scale > 0.5
    for node in scene.nodes:
        inside = [
            p for p in pieces
            if p.left <= node.x and node.x + node.width <= p.left + p.width
            and p.top <= node.y and node.y + node.height <= p.top + p.height
        ]  # fmt: skip
        assert len(inside) == 1, node.name


def test_small_nets_are_printed_in_one_piece_and_narrow_ones_side_by_side(reference):
    (whole,) = paper_pieces(graph_picture(reference / "nets/lenet.prototxt").scene)
    assert whole.scale >= MIN_SCALE
    pieces = paper_pieces(graph_picture(parse_net(big_nets.resnet())).scene)
    assert pieces[0].width * pieces[0].scale < SHEET[0] / 2
    assert paper_pieces(graph_picture(parse_net('name: "nothing"')).scene) == []


def test_paper_shows_what_the_page_has(page):
    paper = page.partition('<div class="paper"')[2].partition("</div>")[0]
    shown = re.findall(r'<use href="#([^"]+)"', paper)
    parsed = Page(page)
    assert shown and set(shown) <= set(parsed.ids)
    boxes = [key for key in parsed.ids if re.fullmatch(r"net0-layer\d+", key)]
    assert all(shown.count(key) == 1 for key in boxes)
    assert "3.86 G MACs" in paper and "convolution" in paper


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no program reads PDF")
def test_a_browser_prints_the_whole_net(page, tmp_path):
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    (tmp_path / "net.html").write_text(page, encoding="utf-8")
    flags = [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={tmp_path / 'net.pdf'}"]
    subprocess.run(
        [BROWSER, *flags, (tmp_path / "net.html").as_uri()], check=True, capture_output=True, timeout=120
    )
    text = subprocess.run(
        ["pdftotext", "-l", "3", tmp_path / "net.pdf", "-"], capture_output=True, text=True
    ).stdout
    assert all(shown in text for shown in ("AVE global", "Convolution 7×7", "res4_2/a … res4_6/a", "Softmax"))


def test_nothing_is_fetched(page):
    assert not re.search(r"""(src|href)=["'](?!#)""", page)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp", page)
    assert "default-src 'none'" in page


def test_all_colours_are_defined_for_light_and_dark(page):
    used = set(re.findall(r"var\((--[\w-]+)\)", page))
    light, dark = (set(re.findall(r"(--[\w-]+):", css)) for css in re.findall(r":root\{(.*?)\}", page))
    assert used <= light and used <= dark


def test_a_dark_page_stays_dark(tmp_path):
    draw_net(parse_net(big_nets.resnet()), tmp_path / "dark.html", style="dark")
    text = (tmp_path / "dark.html").read_text(encoding="utf-8")
    assert "color-scheme: dark;" in text and "prefers-color-scheme" not in text


def test_weights_are_shown_in_the_panel_if_given(tmp_path, real):
    net = real / "caffemodels/lenet_everpeace/lenet.prototxt"
    plain, shown = tmp_path / "plain.html", tmp_path / "shown.html"
    draw_net(net, plain)
    draw_net(net, shown, weights=real / "caffemodels/lenet_everpeace/lenet_iter_5000.caffemodel")
    assert "data:image/png" not in plain.read_text(encoding="utf-8")
    text = shown.read_text(encoding="utf-8")
    assert text.count("data:image/png") == 2  # conv1 and conv2
    assert "20×1×5×5 · mean, std" in text and "50 filters, the strongest channel of each" in text


def facts_of(blobs: list[np.ndarray]):
    return weight_facts(blobs, filter_banks({"conv": blobs})[0])


def pixels_of(address: str) -> np.ndarray:
    image = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(image.convert("RGBA"))


def test_what_is_shown_of_weights():
    weights = np.zeros((3, 2, 3, 3), np.float32)
    weights[0, 1] = [[2, 0, 0], [0, -1, 0], [0, 0, 0]]
    weights[1, 0, 0, 0] = np.nan
    facts = facts_of([weights, np.ones(3, np.float32)])
    words = "3×2×3×3 · mean, std 0.0189, 0.307 · range −1 to 2 · zeros 96% · 1 not finite"
    assert facts.texts == (words, "3 · mean, std 1, 0 · range 1 to 1")
    picture = pixels_of(facts.picture)
    red, white, blue = [103, 0, 31, 255], [247, 247, 247, 255], [105, 171, 208, 255]  # 2, 0 and -1 of 2
    tile = picture[10:70:20, 10:70:20].tolist()  # twenty pixels for each weight, after a gap of six
    assert tile == [[red, white, white], [white, blue, white], [white] * 3]  # channel 1
    assert picture[10, 67, 3] < 255
    coloured = facts_of([np.array([1.0, 0.0, -1.0]).reshape(1, 3, 1, 1) * np.ones((3, 3))])
    assert pixels_of(coloured.picture)[10, 10].tolist() == [0, 128, 255, 255]  # the first channel is blue
    assert facts.caption == "3 filters, the strongest channel of each"
    assert weight_facts([weights], None).picture == ""
    assert facts_of([np.ones((4, 3, 1, 1), np.float32)]).picture == ""


def in_browser(page: str, folder, script: str) -> dict:
    """Runs ``script`` after the page's own and returns what it puts into ``result``."""
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    probe = (
        "<pre id='probe'></pre><script>window.addEventListener('load', () => setTimeout(() => {"
        "const result = {}; try {" + script + "} catch (error) { result.error = String(error); }"
        "document.getElementById('probe').textContent = JSON.stringify(result); }, 300));</script>"
    )
    path = folder / "probed.html"
    page = page.replace("Content-Security-Policy", "off")  # the page's own policy would stop the probe
    path.write_text(page.replace("</body>", probe + "</body>"), encoding="utf-8")
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-500:]
    result = json.loads(found[1].replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
    assert "error" not in result, result
    return result


SCRIPT = """
const root = document.querySelector('.cnnviz-graph');
const svg = root.querySelector('.stage svg');
const panel = root.querySelector('.panel');
const search = root.querySelector('input[type=search]');
const press = (key, at) => (at || root.querySelector('.stage')).dispatchEvent(
  new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
const width = () => Number(svg.getAttribute('viewBox').split(' ')[2]);
result.live = root.classList.contains('live');
const before = width();
press('+'); result.zoomed = width() < before;
press('0'); result.whole = width() >= before;
root.querySelector('[data-do=in]').click();
press('/'); result.searching = document.activeElement === search;
search.value = 'res4_2 conv'; search.dispatchEvent(new Event('input'));
result.count = root.querySelector('.count').textContent;
result.dimmed = root.querySelectorAll('a.node:not(.found)').length > 0;
press('Enter', search);
result.open = panel.classList.contains('open');
result.head = panel.querySelector('h3').textContent;
result.text = panel.querySelector('pre').textContent.includes('convolution_param');
const first = root.querySelector('a.node.chosen').id;
press('ArrowDown');
result.walked = root.querySelector('a.node.chosen').id !== first;
press('Escape'); result.closed = !panel.classList.contains('open');
root.querySelector('tbody tr:last-child a').click();
result.last = panel.querySelector('h3').textContent;
root.querySelector('a.node').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));
result.clicked = panel.querySelector('h3').textContent;
const boxes = Array.from(root.querySelectorAll('a.node'));
result.outside = boxes.filter((a) => {
  const box = a.querySelector('rect').getBBox();
  return Array.from(a.querySelectorAll('text')).some((t) => {
    const text = t.getBBox();
    const right = text.x + text.width, bottom = text.y + text.height;
    return text.x < box.x || right > box.x + box.width || bottom > box.y + box.height + 1;
  });
}).map((a) => a.id);
"""


def test_zoom_search_panel_and_keyboard_work(page, tmp_path):
    result = in_browser(page, tmp_path, SCRIPT)
    assert result["live"] and result["zoomed"] and result["whole"] and result["searching"]
    assert result["count"].endswith(" found") and result["count"] != "0 found"
    assert result["dimmed"] and result["open"] and result["text"]
    assert result["head"].startswith("res4_2/")
    assert result["walked"] and result["closed"]
    assert result["last"].startswith("prob") and result["clicked"].startswith("data")
    assert result["outside"] == []  # text, in the browser's own font


def test_hostile_names_stay_text_in_the_browser(tmp_path):
    name = "</script><script>window.evil = 1</script><img src=x onerror='window.evil = 2'>"
    text = f'layer {{ name: "{name}" type: "ReLU" bottom: "{name}" top: "b" }}'
    draw_net(parse_net(text), tmp_path / "x.html")
    result = in_browser(
        (tmp_path / "x.html").read_text(encoding="utf-8"),
        tmp_path,
        "document.querySelector('tbody a').click(); result.evil = window.evil === undefined;"
        "result.head = document.querySelector('.panel h3').textContent;",
    )
    assert result["evil"] and result["head"].startswith(name)


def test_a_phone_shows_the_page_without_scrolling_sideways(page, tmp_path):
    size = "width:390px;height:800px;border:0"
    outer = f'<!DOCTYPE html><body><iframe style="{size}" srcdoc="{escape(page)}"></iframe></body>'
    result = in_browser(
        outer,
        tmp_path,
        "const inner = document.querySelector('iframe').contentDocument.documentElement;"
        "result.inner = inner.scrollWidth; result.client = inner.clientWidth;",
    )
    assert result["inner"] <= result["client"] <= 390
