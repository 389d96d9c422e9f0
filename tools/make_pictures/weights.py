"""Makes the pictures of weights.md from nets that it trains on the demonstration's digits. Needs h5py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cnnviz import get_solver, read_weights
from cnnviz.api.compare import plot_weight_difference
from cnnviz.api.filmstrip import plot_weight_filmstrip
from cnnviz.api.weights import plot_weights
from cnnviz.engine.data.digits import load_digits
from cnnviz.errors import require
from make_pictures._rows_net import write_rows
from make_pictures._workspace import Workspace

SOLVER = """net: "{folder}/{name}.prototxt" snapshot_prefix: "{folder}/{name}" random_seed: 2
lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 clip_gradients: 5 {rule}
max_iter: {steps} snapshot: 100
"""
ADAM = 'type: "Adam" base_lr: 0.003'
# Classifies the digit and its colour, so that it needs filters for both.
COLOURS = """name: "ColourDigits"
layer { name: "digits" type: "HDF5Data" top: "data" top: "label"
  hdf5_data_param { source: "%s" batch_size: 50 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param {
  num_output: 24 kernel_size: 7 stride: 2 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "score" type: "InnerProduct" bottom: "conv1" top: "score" inner_product_param {
  num_output: 30 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }
"""
# The ends of a deep net, and what lies between them many times.
DEEP_BEGIN = """name: "Deep"
layer { name: "digits" type: "HDF5Data" top: "data" top: "marks" top: "label"
  hdf5_data_param { source: "%s" batch_size: 50 } }
layer { name: "nothing" type: "Silence" bottom: "marks" }
"""
DEEP_LAYER = """
layer {{ name: "conv{i}" type: "Convolution" bottom: "{bottom}" top: "conv{i}"
  convolution_param {{ num_output: 24 {size} weight_filler {{ type: "msra" }} }} }}
layer {{ name: "relu{i}" type: "ReLU" bottom: "conv{i}" top: "conv{i}" }}
"""
DEEP_END = """
layer {{ name: "score" type: "InnerProduct" bottom: "conv{i}" top: "score"
  inner_product_param {{ num_output: 10 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }}
"""


# File name -> the weights, and the options of plot_weights.
FILTERS: dict[str, dict[str, Any]] = {
    "weights-lenet.png": {"weights": "lenet", "layers": ["conv1", "conv2", "ip2"], "limit": 400},
    "weights-dark.png": {"weights": "lenet", "layers": ["conv1", "ip2"], "marks": False, "style": "dark"},
    "weights-similarity.png": {"weights": "lenet", "layers": ["conv1"], "order": "similarity"},
    "weights-norm.png": {"weights": "lenet", "layers": ["conv1"], "order": "norm", "normalize": "layer"},
    "weights-limit.png": {"weights": "lenet", "layers": ["conv2"], "limit": 60},
    "weights-fresh.png": {"weights": "fresh", "layers": ["conv2", "ip1"]},
    "weights-findings.png": {"weights": "problems"},
    "weights-bgr.png": {"weights": "colours", "layers": ["conv1"]},
    "weights-rgb.png": {"weights": "colours", "layers": ["conv1"], "channel_order": "rgb"},
    "weights-recurrent.png": {"weights": "rows", "layers": ["lstm"]},
    "weights-overview.png": {"weights": "deep"},
}
DIFFERENCE = {"snapshots": [100, 400], "layers": ["conv1", "conv2", "ip2"]}
FILMSTRIP = {"snapshots": [100, 200, 300, 400], "layer": "conv1"}
PICTURES = FILTERS | {"weights-difference.png": DIFFERENCE, "weights-filmstrip.png": FILMSTRIP}
DPI = 90


def deep_net(source: Path, depth: int = 14) -> str:
    """Convolutions of 3 x 3 and 1 x 1 by turns, most of them at half the digits' size."""
    text = DEEP_BEGIN % source
    for i in range(1, depth + 1):
        size = "kernel_size: 1" if i % 2 == 0 else "kernel_size: 3 pad: 1"
        size += " stride: 2" if i in (1, 7) else ""
        bottom = f"conv{i - 1}" if i > 1 else "data"
        text += DEEP_LAYER.format(i=i, bottom=bottom, size=size)
    return text + DEEP_END.format(i=depth)


def train(folder: Path, name: str, net: str, steps: int, rule: str = "base_lr: 0.01") -> list[Path]:
    """Trains ``net``; returns its snapshots, the first before any step."""
    (folder / f"{name}.prototxt").write_text(net)
    solver = folder / f"{name}_solver.prototxt"
    solver.write_text(SOLVER.format(folder=folder.as_posix(), name=name, steps=steps, rule=rule))
    made = get_solver(str(solver))
    made.net.save(str(folder / f"{name}_iter_0.caffemodel"))
    made.solve()
    return [folder / f"{name}_iter_{n}.caffemodel" for n in range(0, steps + 1, 100)]


def write_colours(folder: Path) -> Path:
    """Writes digits in three colours, labelled by both; returns the list of files for the data layer."""
    images, labels, _, _ = load_digits()
    colours = np.random.default_rng(0).integers(0, 3, len(images))
    tinted = np.zeros((len(images), 3, *images.shape[1:]), np.float32)
    tinted[np.arange(len(images)), 2 - colours] = images / np.float32(256)  # blue is the first channel
    h5py = require("h5py", "hdf5", "writing HDF5")
    with h5py.File(folder / "colours.h5", "w") as file:
        file["data"], file["label"] = tinted, (labels * 3 + colours).astype(np.float32)
    (folder / "colours.txt").write_text(str(folder / "colours.h5"))
    return folder / "colours.txt"


def with_problems(weights: Path) -> dict[str, list[np.ndarray]]:
    """The first layer of ``weights`` with one problem of each kind."""
    filters = np.array(read_weights(weights)["conv1"][0])
    filters[1] = 0
    filters[4] = 0.2
    filters[6] = filters[5] * 1.1
    filters[9] = np.clip(filters[9], -0.15, 0.15)
    filters[12] *= 12
    filters[15, 0, 2, 2] = np.nan
    return {"conv1": [filters]}


def trained(workspace: Workspace, small: list[Path]) -> dict[str, tuple[Path | None, Any]]:
    """Returns net and weights by the names of the table; ``small`` are the snapshots of one more LeNet."""
    folder, lenet, rows = workspace.folder, workspace.nets.lenet, workspace.nets.rows
    return {
        "lenet": (lenet.net, lenet.weights),
        "fresh": (lenet.net, small[0]),
        "problems": (None, with_problems(lenet.weights)),
        "colours": (None, train(folder, "colours", COLOURS % write_colours(folder), 400)[-1]),
        "rows": (rows.net, rows.weights),
        "deep": (None, train(folder, "deep", deep_net(write_rows(folder)), 400, ADAM)[-1]),
    }


def make(workspace: Workspace) -> None:
    lenet = workspace.nets.lenet.net
    text = lenet.read_text().replace('type: "xavier"', 'type: "gaussian" std: 0.01')
    small = train(workspace.folder, "small", text, 400)
    nets = trained(workspace, small)
    for name, settings in FILTERS.items():
        options = {key: value for key, value in settings.items() if key != "weights"}
        path = workspace.folder / name
        plot_weights(*nets[settings["weights"]], path, dpi=DPI, **options)
        workspace.save(path, name, settings)
    make_comparisons(workspace, lenet, small)


def make_comparisons(workspace: Workspace, net: Path, snapshots: list[Path]) -> None:
    """Pictures of the snapshots of a LeNet, one after every 100 iterations."""
    path = workspace.folder / "difference.png"
    early, late = (snapshots[n // 100] for n in DIFFERENCE["snapshots"])
    plot_weight_difference(early, late, path, model=net, layers=DIFFERENCE["layers"], dpi=DPI)
    workspace.save(path, "weights-difference.png", DIFFERENCE)
    path = workspace.folder / "filmstrip.png"
    shown = [snapshots[n // 100] for n in FILMSTRIP["snapshots"]]
    plot_weight_filmstrip(shown, path, layer=FILMSTRIP["layer"], dpi=DPI)
    workspace.save(path, "weights-filmstrip.png", FILMSTRIP)
