"""Files of training charts: formats, fonts, pages, tables of their values."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest

from cnnviz.analysis.curves import thinned
from cnnviz.analysis.training import (
    chart_lines,
    lines_csv,
    lines_json,
)
from cnnviz.api.figures import save_figure
from cnnviz.api.training import plot_training_log
from cnnviz.errors import CnnvizError, FileError
from cnnviz.plots.common.figure import new_figure
from cnnviz.plots.common.theme import FORMATS, get_theme
from cnnviz.plots.training.options import ChartOptions
from cnnviz.plots.training.to_html import training_svg
from support.charts import assert_legible, log_of, run


def test_json_and_csv_of_curves():
    log = log_of("Iteration 0, loss = 2\nIteration 10, loss = nan\nIteration 0, loss = 3")
    lines = chart_lines(6, [log])
    (curve,) = json.loads(lines_json(lines))
    assert curve == {"log": "run", "name": "loss", "x": [0, 10, 0], "y": [2, "nan", 3], "segments": [0, 2]}
    assert lines_csv(lines).splitlines()[1:] == ["run,loss,0,0,2", "run,loss,0,10,nan", "run,loss,1,0,3"]


def test_thinning_keeps_peaks_and_gaps():
    x = np.arange(100_000.0)
    y = np.sin(x / 1000)
    y[777], y[50_000] = 99, np.nan
    few_x, few_y = thinned(x, y, 3000)
    assert len(few_x) <= 3002 and 99 in few_y and 50_000 in few_x and (np.diff(few_x) > 0).all()


@pytest.mark.parametrize("suffix", FORMATS)
def test_same_figure_same_bytes(tmp_path, suffix):
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        plot_training_log(6, run([3, 2, 1]), path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second and len(first) > 1000


def test_svg_keeps_text_and_escapes_it(tmp_path):
    plot_training_log(6, run([3, 2]), tmp_path / "a.svg", title="<b>loss & more")
    text = (tmp_path / "a.svg").read_text()
    assert "&lt;b&gt;loss &amp; more" in text and "<b>" not in text


def test_control_characters_do_not_break_svg(tmp_path):
    log = log_of("Iteration 0, Testing net (#0)\nTest net output #0: acc\x01 = 0.5", path="a\x02.log")
    plot_training_log(0, log, tmp_path / "a.svg", title="b\x03")
    text = (tmp_path / "a.svg").read_text()
    ElementTree.fromstring(text)
    assert "a\ufffd" in text and "b\ufffd" in text


@pytest.mark.parametrize(
    "losses",
    [
        ["nan"] * 3,
        ["inf", "-inf"],
        [1e308, 1, -1e308],
        [1e-320, 0, 0],
        [0, 0, 0],
        [-3, -2, -1],
        [3.4e38, 1e-45],
        [7],
    ],
)
@pytest.mark.parametrize("log_scale", [None, True, False])
def test_absurd_numbers_still_make_a_chart(losses, log_scale):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_legible(plot_training_log(6, run(losses), log_scale=log_scale))


def test_unknown_format_and_unwritable_path(tmp_path):
    with pytest.raises(FileError, match=r"a\.pgn: unknown file format '\.pgn', expected one of \.png"):
        plot_training_log(6, run([3, 2]), tmp_path / "a.pgn")
    with pytest.raises(FileError, match=r"cannot be written: there is no folder .*; create it first\.$"):
        plot_training_log(6, run([3, 2]), tmp_path / "no" / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_dots_per_inch(tmp_path):
    from PIL import Image

    plot_training_log(6, run([3, 2]), tmp_path / "a.png", dpi=50)
    assert Image.open(tmp_path / "a.png").size[0] == 400
    with pytest.raises(CnnvizError, match="dpi is 1, expected 10 to 2400"):
        plot_training_log(6, run([3, 2]), tmp_path / "a.png", dpi=1)


def test_characters_that_no_font_has_are_warned_of_once(tmp_path):
    figure = new_figure(2, 1, get_theme())
    figure.text(0, 0, "\U00012000 \U00012001")
    with pytest.warns(UserWarning, match="no installed font has the characters") as caught:
        save_figure(figure, tmp_path / "a.png")
    assert len(caught) == 1


def test_unknown_style():
    with pytest.raises(
        CnnvizError, match="unknown style 'drak', expected 'light' or 'dark'; did you mean 'dark'"
    ):
        get_theme("drak")


def test_page_is_self_contained_and_escaped(tmp_path):
    odd = run([3, "nan", 2], path="</script><img src=x onerror=alert(1)>.log")
    plot_training_log(6, [odd, run([1, 2], path="b.log")], tmp_path / "a.html", title="a <i>b</i>")
    page = (tmp_path / "a.html").read_text()
    assert "<img" not in page and "<i>b" not in page and page.count("</script>") == 2
    assert "http" not in page.replace("http://www.w3.org/", "").replace("http-equiv", "")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["series"][0]["y"] == [3, None, 2]
    ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_page_reads_out_and_switches_off(tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no browser")
    path = tmp_path / "a.html"
    plot_training_log(6, [run([3, 2, 1]), run([4, "nan", 2], path="b.log")], path)
    keys = "".join(
        f"svg.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}}));"
        for key in ("Home", "ArrowRight")
    )
    act = f"const svg = document.querySelector('svg.chart'); document.querySelector('button').click(); {keys}"
    page = path.read_text().replace("Content-Security-Policy", "off")  # it would stop what is added
    path.write_text(page.replace("</body>", f"<script>{{{act}}}</script></body>"))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--dump-dom",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={tmp_path / 'profile'}"]  # fmt: skip
    done = subprocess.run([browser, *flags, path.as_uri()], capture_output=True, text=True, timeout=60)
    box = done.stdout.split('id="readout"')[1].split("</figure>")[0]
    assert "Iters 1<div><i" in box and "></i>b: not a number</div>" in box and "run" not in box
    assert '<button type="button" aria-pressed="false" data-series="0">' in done.stdout
    assert 'class="series off" data-series="0"' in done.stdout


def svg_of(logs, style: str = "auto") -> str:
    return training_svg(chart_lines(6, logs), ChartOptions(6, style))


def test_svg_for_pages_follows_the_viewer():
    svg = svg_of([run([3, 2])])
    assert svg.startswith("<svg") and "prefers-color-scheme:dark" in svg
    assert "stroke: var(--series0)" in svg
    assert "prefers-color-scheme" not in svg_of([run([3, 2])], "dark")
