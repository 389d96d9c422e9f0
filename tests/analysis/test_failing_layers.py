"""Layers that fail only as they run: what is shown without them."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.analysis.inspector import Inspector
from support.partial_nets import CONV, FED, INPUT, IP, PROB, run

FAILING = """
class Setup:
    def setup(self, bottom, top): raise KeyError("no key")

class Base:
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top): top[0].data[...] = bottom[0].data
    def backward(self, top, propagate_down, bottom): bottom[0].diff[...] = top[0].diff

class Reshape(Base):
    def reshape(self, bottom, top):
        super().reshape(bottom, top)
        if bottom[0].data.any(): raise ValueError("an odd shape")

class Forward(Base):
    def forward(self, bottom, top): raise ZeroDivisionError("nothing to divide")

class Interrupt(Base):
    def forward(self, bottom, top): raise KeyboardInterrupt
"""
RAISES = {
    "Setup": "its code raised KeyError: 'no key' (",
    "Reshape": "its code raised ValueError: an odd shape (",
    "Forward": "its code raised ZeroDivisionError: nothing to divide (",
}
# The index 7 is beyond Embed's input_dim.
SEVEN = """layer { name: "seven" type: "Power" bottom: "data" top: "seven" power_param { scale: 0 shift: 7 } }
layer { name: "x" type: "Embed" bottom: "seven" top: "x" embed_param { num_output: 2 input_dim: 3 } }
"""


@pytest.fixture
def failing(folder, monkeypatch):
    name = f"failing_{folder.name}".replace("-", "_")
    (folder / f"{name}.py").write_text(FAILING)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("CNNVIZ_PYTHON_LAYERS", name)

    def write(kind: str) -> None:
        layer = SEVEN
        if kind != "Embed":
            layer = (
                f'layer {{ name: "x" type: "Python" bottom: "conv" top: "x" python_param {{ module: "{name}" '
            )
            layer += f'layer: "{kind}" }} }}\n'
        layer += 'layer { name: "y" type: "ReLU" bottom: "x" top: "y" }\n'
        (folder / "odd.prototxt").write_text(INPUT + CONV + layer + IP + PROB)

    return write


@pytest.mark.parametrize("kind", [*RAISES, "Embed"])
def test_what_does_not_need_a_failing_layer_is_shown(failing, folder, caplog, kind):
    failing(kind)
    shown = Inspector("net.prototxt", "net.caffemodel").run(np.full((8, 8, 3), 9, np.uint8)).predictions
    inspector = Inspector("odd.prototxt", "net.caffemodel")
    features = inspector.run(np.full((8, 8, 3), 9, np.uint8))
    assert features.predictions == shown
    assert {maps.layer for maps in features.maps} - {"seven"} == {"conv", "ip", "prob"}
    (note,) = features.notes
    assert "layer 'x' (" in note and RAISES.get(kind, "7") in note and note.endswith("needs it: 'y'.")
    assert caplog.text.count(note) == 1
    page = ["gallery", "odd.prototxt", "net.caffemodel", "--image", "a.png", "--out", "p.html"]
    assert run(*page).exit_code == 0
    assert "Left out, with what needs it: &#x27;y&#x27;." in (folder / "p.html").read_text(encoding="utf-8")
    maps = ["features", "odd.prototxt", "net.caffemodel", "a.png", "--out", "maps"]
    maps += ["--attribution", "saliency", "--npy"]
    assert run(*maps, "conv").exit_code == 0
    assert "blob 'y' is not computed: odd.prototxt" in str(run(*maps, "y").exception)


@pytest.mark.parametrize("kind", ["Forward", "Embed"])
def test_time_and_extract_features_go_on_without_a_failing_layer(failing, folder, caplog, kind):
    failing(kind)
    result = run("time", "--model", "odd.prototxt", "--iterations", "1")
    assert result.exit_code == 0, result.exception
    assert "\nprob " in result.output and "\nx " not in result.output and "\ny " not in result.output
    assert caplog.text.count("Left out, with what needs it: 'y'.") == 1
    text = (folder / "odd.prototxt").read_text().replace(INPUT, FED)
    (folder / "odd.prototxt").write_text(text)
    assert run("extract-features", "net.caffemodel", "odd.prototxt", "prob", "p.npz", "2").exit_code == 0
    assert np.load("p.npz")["prob"].shape == (2, 3)
    refused = run("extract-features", "net.caffemodel", "odd.prototxt", "y", "y.npz", "1").exception
    assert "blob 'y' is not computed: odd.prototxt" in str(refused)


def test_errors_of_no_layer_pass(failing, monkeypatch):
    failing("Interrupt")
    inspector = Inspector("odd.prototxt", "net.caffemodel")
    with pytest.raises(KeyboardInterrupt):
        inspector.run(np.zeros((8, 8, 3), np.uint8))
    whole = Inspector("net.prototxt", "net.caffemodel")

    def wrong(bottom, top):
        raise ValueError("a fault of ours")

    monkeypatch.setattr(whole.net.layers[1], "forward", wrong)
    with pytest.raises(ValueError, match="a fault of ours"):
        whole.run(np.zeros((8, 8, 3), np.uint8))
