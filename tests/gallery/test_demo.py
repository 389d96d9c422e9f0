"""The demonstration end to end: what a new user sees first."""

from __future__ import annotations

import re

import numpy as np
import pytest

import cnnviz
from support.browser import dump_dom, needs_browser


def test_lenet_learns_real_digits(demo):
    folder, result = demo
    assert result.accuracy >= 0.96
    log = cnnviz.read_log(folder / "train.log")
    assert log.test_nets() == [0]
    assert set(log.segments[0].tests[0].outputs.curves) == {"accuracy", "loss"}  # no test is counted twice


def test_everything_can_be_used_again(demo, monkeypatch):
    folder, result = demo
    monkeypatch.chdir(folder.parent)
    net = cnnviz.Net(folder / "lenet_train_test.prototxt", cnnviz.TEST, weights=result.weights)
    scores = [net.forward()["accuracy"] for _ in range(10)]
    net.close()
    assert np.mean(scores) == pytest.approx(result.accuracy, abs=1e-6)
    assert set(cnnviz.read_weights(result.weights)) >= {"conv1", "conv2", "ip1", "ip2"}


def test_the_page_stands_alone(demo):
    _, result = demo
    page = result.page.read_text(encoding="utf-8")
    for part in ("graph", "filters", "features", "training"):
        assert f'<section class="part" id="{part}" ' in page
    without_data = re.sub(r"data:[^\"' )]+", "", page)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", without_data))
    assert all(address.startswith("http://www.w3.org/") for address in addresses), (
        addresses
    )  # names, not links
    assert not re.search(r"(src|href)=[\"']//", without_data)


def test_a_second_run_replaces_the_first(demo, tmp_path, monkeypatch):
    from cnnviz.gallery import demo as module

    monkeypatch.setattr(module, "build_gallery", lambda *args, **options: "")
    folder = tmp_path / "again"
    module._prepare(folder)
    module._prepare(folder)
    assert (folder / "lenet_solver.prototxt").read_text().count("max_iter") == 1


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_a_browser(demo, tmp_path, width):
    """The script runs without an error, and nothing is wider than the window."""
    _, result = demo
    page = result.page.read_text(encoding="utf-8")
    probe = (
        "<script>addEventListener('load', () => { const m = Math.max(...[...document.querySelectorAll"
        "('main, header, section.part, .card')].map(e => e.getBoundingClientRect().right));"
        "document.title = 'right=' + Math.round(m) + ' window=' + innerWidth"
        " + ' errors=' + (window.errors || 0);"
        "});</script>"
    )
    counter = (
        "<script>addEventListener('error', () => { window.errors = (window.errors || 0) + 1; });</script>"
    )
    copy = tmp_path / "page.html"
    copy.write_text(page.replace("<head>", f"<head>{counter}{probe}", 1), encoding="utf-8")
    dom = dump_dom(copy, tmp_path / "profile", width)
    right, window, errors = map(int, re.search(r"right=(\d+) window=(\d+) errors=(\d+)", dom).groups())
    assert errors == 0 and right <= window
