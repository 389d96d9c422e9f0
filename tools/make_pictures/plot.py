"""Makes the pictures of plot.md from LeNets that it trains on the demonstration's digits."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cnnviz import plot_training_log
from make_pictures._workspace import Workspace

COMMON = """net: "{net}"
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


# File name -> the runs, and the options of plot_training_log; "lenet" is the demonstration's run.
PICTURES: dict[str, dict[str, Any]] = {
    "plot-loss.png": {"chart": 6, "runs": ["steps"], "smooth": 0.8},
    "plot-accuracy.png": {"chart": 0, "runs": ["lenet", "steps", "slow"], "style": "dark"},
    "plot-restart.png": {"chart": 6, "runs": ["resumed"], "smooth": 0.6},
    "plot-diverged.png": {"chart": 6, "runs": ["too_fast"]},
    "plot-output.png": {
        "chart": "test-accuracy",
        "runs": ["lenet"],
        "outputs": ["loss", "accuracy"],
        "log_scale": True,
        "title": "Tests of LeNet",
    },
    "plot-seconds.png": {"chart": "test-loss-seconds", "runs": ["lenet", "steps"], "log_scale": False},
    "plot-rate.png": {"chart": 4, "runs": ["lenet", "steps", "slow"]},
    "plot-far.png": {"chart": "test-accuracy", "runs": ["lenet"]},
    "plot-full.png": {"chart": "test-accuracy", "runs": ["lenet"], "full_range": True},
}
PACE = timedelta(milliseconds=12)  # between two iterations, in all logs
TIME = re.compile(r"(?<=^.)\d{4} \d\d:\d\d:\d\d\.\d{6}", re.M)


def train(workspace: Workspace, name: str, *options: str) -> Path:
    """Trains the run ``name`` by the command line, appending to its log."""
    net, folder = workspace.nets.lenet.net.as_posix(), workspace.folder
    solver = folder / f"{name}_solver.prototxt"
    solver.write_text(COMMON.format(net=net, folder=folder.as_posix(), name=name) + RUNS[name] + "\n")
    log = folder / f"{name}.log"
    with open(log, "a") as file:
        command = [sys.executable, "-m", "cnnviz", "train", "--solver", str(solver), *options]
        subprocess.run(command, stderr=file, check=True)
    return log


def paced(log: Path, to: Path) -> Path:
    """Writes a log to ``to`` with times that do not depend on the machine."""
    begin, iteration, lines = datetime(2000, 1, 1), 0, []
    for line in log.read_text().splitlines(keepends=True):
        found = re.search(r"Iteration (\d+)", line)
        iteration = int(found[1]) if found else iteration
        lines.append(TIME.sub((begin + iteration * PACE).strftime("%m%d %H:%M:%S.%f"), line))
    to.write_text("".join(lines))
    return to


def make(workspace: Workspace) -> None:
    logs = {run: train(workspace, run) for run in RUNS}
    train(workspace, "resumed", "--snapshot", str(workspace.folder / "resumed_iter_100.solverstate"))
    logs["lenet"] = workspace.nets.lenet.folder / "train.log"
    paces = workspace.folder / "paced"
    paces.mkdir()
    logs = {run: paced(log, paces / f"{run}.log") for run, log in logs.items()}
    for name, settings in PICTURES.items():
        options = {key: value for key, value in settings.items() if key not in ("chart", "runs")}
        path = workspace.folder / name
        plot_training_log(settings["chart"], [logs[run] for run in settings["runs"]], path, dpi=90, **options)
        workspace.save(path, name, settings)
