"""Makes the pictures of docs/weights.md from nets that it trains on the demonstration's digits.

    python docs/make_weight_pictures.py

Needs an OpenCL device and h5py; takes about three minutes on two CPU cores.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from rows_net import train_rows, write_rows

from cnnviz import get_solver, read_weights
from cnnviz.api.compare import plot_weight_difference
from cnnviz.api.filmstrip import plot_weight_filmstrip
from cnnviz.api.weights import plot_weights
from cnnviz.engine.data.digits import load_digits
from cnnviz.gallery.demo import run_demo

PICTURES = Path(__file__).resolve().parent / "pictures"
SOLVER = """net: "{folder}/{name}.prototxt" snapshot_prefix: "{folder}/{name}" random_seed: 2
lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 clip_gradients: 5 {rule}
max_iter: {steps} snapshot: 100
"""
ADAM = 'type: "Adam" base_lr: 0.003'
# Tells the digit and its colour, so that it needs filters for both.
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
    with h5py.File(folder / "colours.h5", "w") as file:
        file["data"], file["label"] = tinted, (labels * 3 + colours).astype(np.float32)
    (folder / "colours.txt").write_text(str(folder / "colours.h5"))
    return folder / "colours.txt"


def with_faults(weights: Path) -> dict[str, list[np.ndarray]]:
    """The first layer of ``weights`` with one fault of each kind."""
    filters = np.array(read_weights(weights)["conv1"][0])
    filters[1] = 0
    filters[4] = 0.2
    filters[6] = filters[5] * 1.1
    filters[9] = np.clip(filters[9], -0.15, 0.15)
    filters[12] *= 12
    filters[15, 0, 2, 2] = np.nan
    return {"conv1": [filters]}


def out(picture: str) -> Path:
    return PICTURES / f"weights-{picture}.png"


def lenet_pictures(folder: Path) -> None:
    run_demo(folder)
    net, last = folder / "lenet_train_test.prototxt", folder / "lenet_iter_1200.caffemodel"
    text = net.read_text()
    snapshots = train(folder, "small", text.replace('type: "xavier"', 'type: "gaussian" std: 0.01'), 400)
    plot_weights(net, last, out("lenet"), layers=["conv1", "conv2", "ip2"], limit=400, dpi=90)
    plot_weights(net, last, out("dark"), layers=["conv1", "ip2"], marks=False, style="dark", dpi=90)
    plot_weights(net, last, out("similarity"), layers=["conv1"], order="similarity", dpi=90)
    plot_weights(net, last, out("norm"), layers=["conv1"], order="norm", normalize="layer", dpi=90)
    plot_weights(net, last, out("limit"), layers=["conv2"], limit=60, dpi=90)
    plot_weights(net, folder / "small_iter_0.caffemodel", out("fresh"), layers=["conv2", "ip1"], dpi=90)
    plot_weights(None, with_faults(last), out("findings"), dpi=90)
    plot_weight_difference(
        snapshots[1], snapshots[4], out("difference"), model=net, layers=["conv1", "conv2", "ip2"], dpi=90
    )
    plot_weight_filmstrip(snapshots[1:], out("filmstrip"), layer="conv1", dpi=90)


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lenet_pictures(folder)
        weights = train(folder, "colours", COLOURS % write_colours(folder), 400)[-1]
        plot_weights(None, weights, out("bgr"), layers=["conv1"], dpi=90)
        plot_weights(None, weights, out("rgb"), layers=["conv1"], channel_order="rgb", dpi=90)
        net, weights = train_rows(folder, 400)
        plot_weights(net, weights, out("recurrent"), layers=["lstm"], dpi=90)
        weights = train(folder, "deep", deep_net(write_rows(folder)), 400, ADAM)[-1]
        plot_weights(None, weights, out("overview"), dpi=90)
    for picture in PICTURES.glob("weights-*.png"):
        # Noise does not compress, and a palette makes a third of it; elsewhere it would spoil the marks.
        if picture.stat().st_size > 100_000:
            Image.open(picture).convert("RGB").quantize(256).save(picture, optimize=True)


if __name__ == "__main__":
    main()
