"""Makes the pictures of docs/plot.md from LeNets that it trains on the demonstration's digits.

    python docs/make_plot_pictures.py

Needs an OpenCL device; takes about a minute on two CPU cores.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from cnnviz import plot_training_log
from cnnviz.engine.device import get_device
from cnnviz.gallery.demo import run_demo

PICTURES = Path(__file__).resolve().parent / "pictures"
COMMON = """net: "{folder}/lenet_train_test.prototxt"
momentum: 0.9 weight_decay: 0.0005 display: 5 test_iter: 10 test_interval: 25 random_seed: 1
snapshot_prefix: "{folder}/{name}"
"""
RUNS = {
    "steps": 'base_lr: 0.01 lr_policy: "multistep" gamma: 0.1 stepvalue: 250 stepvalue: 350 '
    "max_iter: 400 snapshot: 200",
    "slow": 'base_lr: 0.001 lr_policy: "fixed" max_iter: 400 snapshot: 400',
    "resumed": 'base_lr: 0.01 lr_policy: "fixed" max_iter: 200 snapshot: 100',
    "too_fast": 'base_lr: 0.3 lr_policy: "fixed" max_iter: 100 snapshot: 100',
}


def train(folder: Path, name: str, *options: str) -> Path:
    """Trains the run ``name`` by the command line, appending to its log."""
    solver = folder / f"{name}_solver.prototxt"
    solver.write_text(COMMON.format(folder=folder.as_posix(), name=name) + RUNS[name] + "\n")
    log = folder / f"{name}.log"
    with open(log, "a") as file:
        command = [sys.executable, "-m", "cnnviz", "train", "--solver", str(solver), *options]
        subprocess.run(command, stderr=file, check=True)
    return log


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo = run_demo(folder, get_device())
        logs = {run: train(folder, run) for run in RUNS}
        train(folder, "resumed", "--snapshot", str(folder / "resumed_iter_100.solverstate"))
        lenet = demo.log.rename(folder / "lenet.log")

        def draw(picture: str, chart: int | str, *read: Path, **options) -> None:
            plot_training_log(chart, read, PICTURES / f"plot-{picture}.png", dpi=90, **options)

        draw("loss", 6, logs["steps"], smooth=0.8)
        draw("accuracy", 0, lenet, logs["steps"], logs["slow"], style="dark")
        draw("restart", 6, logs["resumed"], smooth=0.6)
        draw("diverged", 6, logs["too_fast"])
        chosen = {"outputs": ["loss", "accuracy"], "log_scale": True, "title": "Tests of LeNet"}
        draw("output", "test-accuracy", lenet, **chosen)
        draw("seconds", "test-loss-seconds", lenet, logs["steps"], log_scale=False)
        draw("rate", 4, lenet, logs["steps"], logs["slow"])
        draw("far", "test-accuracy", lenet)
        draw("full", "test-accuracy", lenet, full_range=True)


if __name__ == "__main__":
    main()
