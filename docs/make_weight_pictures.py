"""Makes the pictures of docs/weights.md from LeNets that it trains on the demonstration's digits.

    python docs/make_weight_pictures.py

Needs an OpenCL device; takes about two minutes on two CPU cores.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from cnnviz import get_solver, read_weights
from cnnviz.gallery.demo import run_demo
from cnnviz.plots.filmstrip import plot_weight_filmstrip
from cnnviz.plots.snapshots import plot_weight_difference
from cnnviz.plots.weights import plot_weights

PICTURES = Path(__file__).resolve().parent / "pictures"
SOLVER = """net: "{folder}/{name}.prototxt"
base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 max_iter: 400 snapshot: 100
snapshot_prefix: "{folder}/{name}" random_seed: 2
"""


def train_from_small(folder: Path) -> list[Path]:
    """Trains the demonstration's net once more, from small random weights; returns its snapshots."""
    text = (folder / "lenet_train_test.prototxt").read_text()
    small = text.replace('type: "xavier"', 'type: "gaussian" std: 0.01')
    (folder / "small.prototxt").write_text(small)
    solver = folder / "small_solver.prototxt"
    solver.write_text(SOLVER.format(folder=folder.as_posix(), name="small"))
    get_solver(str(solver)).solve()
    return [folder / f"small_iter_{n}.caffemodel" for n in (100, 200, 300, 400)]


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


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_demo(folder)
        net = folder / "lenet_train_test.prototxt"
        last = folder / "lenet_iter_1200.caffemodel"
        snapshots = train_from_small(folder)

        def out(picture: str) -> Path:
            return PICTURES / f"weights_{picture}.png"

        plot_weights(net, last, out("lenet"), layers=["conv1", "conv2", "ip2"], limit=400, dpi=80)
        plot_weights(net, last, out("dark"), layers=["conv1", "ip2"], marks=False, style="dark", dpi=80)
        plot_weights(net, last, out("similarity"), layers=["conv1"], order="similarity", dpi=80)
        plot_weights(net, last, out("norm"), layers=["conv1"], order="norm", normalize="layer", dpi=80)
        plot_weights(None, with_faults(last), out("findings"), dpi=80)
        plot_weight_difference(
            snapshots[0], snapshots[3], out("difference"), model=net, layers=["conv1", "ip2"], dpi=80
        )
        plot_weight_filmstrip(snapshots, out("filmstrip"), layer="conv1", dpi=80)
    for picture in PICTURES.glob("weights_*.png"):
        # Noise does not compress, and a palette makes a third of it; elsewhere it would spoil the marks.
        if picture.stat().st_size > 100_000:
            Image.open(picture).convert("RGB").quantize(128).save(picture, optimize=True)


if __name__ == "__main__":
    main()
