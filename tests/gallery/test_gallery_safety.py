"""Nothing of a user's files becomes markup, script, style or an address; what cannot be read is reported."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import numpy as np
import pytest
from PIL import Image

import cnnviz
from cnnviz.cli.main import main
from cnnviz.gallery.index import ModelCard, build_index, card_data
from cnnviz.gallery.page import build_gallery
from cnnviz.plots.common.html import document, escape, json_element
from support.browser import Page, needs_browser, title_after

CORPUS = [
    "</script><script>evil()</script>",
    "</style><style>*{display:none}</style>",
    "</title><img src=x onerror=evil()>",
    '"><svg onload=evil()>',
    "' onmouseover='evil()' x='",
    "javascript:evil()",
    "<!--<script>",
    "url(http://evil.example/x.png)",
    "}body{background:url(//evil.example)}",
    "&lt;b&gt;&#60;i&#62;",
    "@TITLE@ {css} {0} ${evil()} {{evil()}}",
    "a/../../etc\\passwd",
    "\u202egnp.exe\u200f\u2066",
    "x" * 3000,
    "卷积层 طبقة שכבה 🙂",
]
ALLOWED_STYLE = re.compile(
    r"(width|height|left|top|aspect-ratio|border-color|background):[-\w.%/#()]+"
    r"(;(width|height|left|top|aspect-ratio|border-color):[-\w.%/#()]+)*;?"
)


class Strict(Page):
    """Refuses what no page of ours may hold."""

    def handle_starttag(self, tag, attributes):
        super().handle_starttag(tag, attributes)
        found = dict(attributes)
        assert tag not in ("iframe", "object", "embed", "base", "form", "link"), tag
        if tag == "a":
            assert found["href"].startswith("#"), found
        for name in ("src", "srcset"):
            assert name not in found or re.match("data:image/(png|jpeg);base64,", found[name]), found
        if "style" in found and tag != "svg" and not found.get("class", "").startswith("chart"):
            assert "url" not in found["style"] and "evil" not in found["style"], found
            if tag in ("i", "img", "div", "span"):
                assert ALLOWED_STYLE.fullmatch(found["style"]), found


def quoted(name: str) -> str:
    """A name as a prototxt string."""
    return json.dumps(name, ensure_ascii=False)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> str:
    """A page with a hostile name in every place a name can come from."""
    folder = tmp_path_factory.mktemp("hostile")
    plain = [name.replace("/", "∕").replace("x" * 3000, "x" * 120) for name in CORPUS]
    layers, bottom = "", "data"
    for name in CORPUS:
        layers += f"layer {{ name: {quoted(name)} type: 'Convolution' bottom: {quoted(bottom)} "
        layers += f"top: {quoted(name)} convolution_param {{ num_output: 4 kernel_size: 3 pad: 1 "
        layers += "weight_filler { type: 'xavier' } } }\n"
        bottom = name
    layers += f"layer {{ name: 'ip' type: 'InnerProduct' bottom: {quoted(bottom)} top: 'ip' "
    layers += "inner_product_param { num_output: 5 weight_filler { type: 'xavier' } } }\n"
    layers += "layer { name: 'prob' type: 'Softmax' bottom: 'ip' top: 'prob' }\n"
    model = folder / f"{plain[2]}.prototxt"
    model.write_text(
        f"name: {quoted(CORPUS[0])} input: 'data' input_shape {{ dim: 1 dim: 1 dim: 8 dim: 8 }}\n{layers}",
        encoding="utf-8",
    )
    net = cnnviz.Net(str(model), cnnviz.TEST)
    weights = folder / f"{plain[3]}.caffemodel"
    net.save(str(weights))
    net.close()
    images = [folder / f"{name}.png" for name in (plain[2], plain[4], plain[7], plain[12])]
    for number, image in enumerate(images):
        Image.fromarray(np.full((8, 8), 60 * number, np.uint8)).save(image)
    log = folder / f"{plain[1]}.log"
    log.write_text("".join(
        f"I0101 00:00:0{n}.000000  1 solver.cpp:1] Iteration {n}, loss = {9 - n}\n"
        f"I0101 00:00:0{n}.000000  1 solver.cpp:1]     Train net output #0: {plain[5]} = {n}\n"
        f"I0101 00:00:0{n}.000000  1 solver.cpp:1] Iteration {n}, lr = 0.1\n"
        for n in range(1, 6)
    ), encoding="utf-8")  # fmt: skip
    return build_gallery(model, weights, images, [log], class_names=CORPUS[:5])


def test_hostile_names_stay_text(hostile):
    parsed = Strict(hostile)
    assert all(re.fullmatch(r"[A-Za-z][\w.-]*", id) for id in parsed.ids)
    assert parsed.tags.count("script") == 3  # the graph's data, the card, and the page's own
    assert parsed.tags.count("img") == hostile.count('<img class="pixels" ')
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", hostile)
    assert [id for id in parsed.ids if parsed.ids.count(id) > 1] == []
    assert all(len(id) < 200 for id in parsed.ids)
    assert all(link[1:] in parsed.ids for link in parsed.links)
    styles = re.findall("<style>(.*?)</style>", hostile, re.DOTALL)
    assert all("evil" not in style for style in styles)


def test_hostile_names_can_be_read(hostile):
    for name in CORPUS[:11]:
        assert escape(name) in hostile


def test_the_policy_lets_nothing_run_but_our_script(hostile):
    policy = re.search('Content-Security-Policy" content="([^"]*)"', hostile)[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    script = re.findall("<script>(.*?)</script>", hostile, re.DOTALL)[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:" and "connect-src" not in rules
    assert "script-src" not in document("t", "", "")


@needs_browser
def test_a_browser_runs_nothing_of_the_names(hostile, tmp_path):
    """Stands before the policy, so it alone may run beside the page's own script."""
    probe = (
        "window.ran = 0; window.evil = () => { window.ran++; }; window.blocked = 0;"
        "addEventListener('securitypolicyviolation', () => { window.blocked++; });"
        "addEventListener('load', () => { const late = document.createElement('script');"
        "late.textContent = 'evil()'; document.body.append(late); setTimeout(() => {"
        "document.title = `ran=${window.ran} blocked=${window.blocked} live=${"
        "document.querySelectorAll('.cnnviz-graph.live').length} foreign=${"
        "document.querySelectorAll('iframe, object, img:not([src^=data]), a:not([href^=\"#\"])').length}`;"
        "}, 200); });"
    )
    title = title_after(hostile, probe, tmp_path)
    assert title == "ran=0 blocked=1 live=1 foreign=0"


def test_an_index_of_hostile_pages(tmp_path):
    for number, name in enumerate(CORPUS[:13]):
        folder = tmp_path / name.replace("/", "∕").replace("\\", "∖")
        folder.mkdir()
        card = ModelCard(name, name, [(name, name), ("layers", "3")], [(0, 0, 9, 9, 1)])
        (folder / f"{number}.html").write_text(card_data(card), encoding="utf-8")
    page = build_index(tmp_path).read_text(encoding="utf-8")
    parsed = Page(page)
    assert parsed.tags.count("script") == 1 and "img" not in parsed.tags and "style" in parsed.tags
    addresses = [link for link in parsed.links if not link.startswith("#")]
    assert len(addresses) == 26 and all(re.fullmatch(r"[\w.%~/-]+\.html", link) for link in addresses)
    assert "evil" not in re.search("<style>(.*?)</style>", page, re.DOTALL)[1]


def test_data_cannot_end_its_element():
    data = {"name": "</script><!--<script>&\ud800"}
    element = json_element(data)
    assert element.count("<") == 2 and "&" not in element
    assert json.loads(re.search(">(.*)<", element)[1])["name"] == "</script><!--<script>&?"


@pytest.mark.parametrize(
    "boxes",
    ["[[1e999,0,1,1,0]]", "[[1,2]]", "5", "[[99999999,0,1,1,0]]", '[["a",0,1,1,0]]', "[" * 5000 + "]" * 5000],
)
def test_cards_may_hold_anything(tmp_path, boxes):
    good = card_data(ModelCard("fine", "fine", [], [(0, 0, 1, 1, 0)]))
    (tmp_path / "good.html").write_text(good)
    bad = f'{{"title":"bad","files":"","facts":[],"boxes":{boxes}}}'
    (tmp_path / "bad.html").write_text(re.sub(">.*<", lambda m: f">{bad}<", good))
    assert "bad.html" not in build_index(tmp_path).read_text(encoding="utf-8")


# What cannot be made


NET = "input: 'data' input_shape { dim: 1 dim: 1 dim: 8 dim: 8 } layer { name: 'c' type: 'Convolution' " \
      "bottom: 'data' top: 'c' convolution_param { num_output: 2 kernel_size: 3 } }"  # fmt: skip
REFUSED = [
    ("nowhere.prototxt --out page.html", "no such file or directory"),
    ("net.prototxt nowhere.caffemodel --out page.html", "no such file or directory"),
    ("net.prototxt words.caffemodel --out page.html", "words.caffemodel"),
    ("net.prototxt other.caffemodel --out page.html", "'c'"),
    ("broken.prototxt --out page.html", "broken.prototxt:1"),
    ("empty.prototxt --out page.html", "empty.prototxt"),
    ("net.prototxt net.caffemodel --image words.png --out page.html", "words.png"),
    ("net.prototxt net.caffemodel --image nowhere.png --out page.html", "nowhere.png"),
    ("net.prototxt net.caffemodel --image empty --out page.html", "empty"),
    ("net.prototxt net.caffemodel --image fine.png --classes nowhere.txt --out page.html", "nowhere.txt"),
    ("net.prototxt net.caffemodel --image fine.png --mean 1,2 --out page.html", "mean"),
    ("net.prototxt net.caffemodel --image fine.png --size 3 --out page.html", "size"),
    ("net.prototxt net.caffemodel --image fine.png --size 1,1 --out page.html", "c"),
    ("net.prototxt --image fine.png --out page.html", "give the .caffemodel"),
    ("net.prototxt --log words.log --out page.html", "words.log"),
    ("net.prototxt --log nowhere.log --out page.html", "nowhere.log"),
    ("net.prototxt --out nowhere/page.html", "there is no folder 'nowhere'; create it first."),
    ("net.prototxt --out page.png", "page.png: the output must be an .html file."),
    ("net.prototxt --out empty", "empty"),
    ("--index nowhere", "is not a folder"),
    ("--index page.html", "is not a folder"),
    ("--index empty", "contains no page"),
    ("--index foreign", "was not made by cnnviz"),
]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "empty").mkdir()
    (folder / "foreign").mkdir()
    (folder / "net.prototxt").write_text(NET)
    (folder / "other.prototxt").write_text(NET.replace("kernel_size: 3", "kernel_size: 5"))
    for name in ("net", "other"):
        net = cnnviz.Net(str(folder / f"{name}.prototxt"), cnnviz.TEST)
        net.save(str(folder / f"{name}.caffemodel"))
        net.close()
    for name in ("words.caffemodel", "words.png", "words.log"):
        (folder / name).write_text("words alone")
    (folder / "broken.prototxt").write_text("layer { name: 'c' type")
    (folder / "empty.prototxt").write_text("")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "fine.png")
    (folder / "foreign" / "index.html").write_text("<p>my own")
    (folder / "foreign" / "net.html").write_text(card_data(ModelCard("n", "n", [], [])))
    return folder


@pytest.mark.parametrize(("arguments", "words"), REFUSED, ids=[a for a, _ in REFUSED])
def test_bad_input_is_one_sentence_and_keeps_the_old_page(shelf, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(shelf)
    (shelf / "page.html").write_text("old")
    before = sorted(path.name for path in shelf.rglob("*"))
    monkeypatch.setattr("sys.argv", ["cnnviz", "gallery", *arguments.split()])
    with pytest.raises(SystemExit) as stop:
        main()
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 1
    assert error.startswith("Error: ") and error.count("\n") == 0 and words in error, error
    assert (shelf / "page.html").read_text() == "old"
    assert (shelf / "foreign" / "index.html").read_text() == "<p>my own"
    assert sorted(path.name for path in shelf.rglob("*")) == before
