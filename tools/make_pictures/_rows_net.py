"""A small recurrent net for pictures: it reads a digit row by row. Needs h5py."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnnviz import get_solver
from cnnviz.engine.data.digits import load_digits
from cnnviz.errors import require

NET = """name: "DigitRows"
layer { name: "digits" type: "HDF5Data" top: "data" top: "marks" top: "label"
  hdf5_data_param { source: "%s" batch_size: 50 } }
layer { name: "rows" type: "Permute" bottom: "data" top: "rows"
  permute_param { order: 2 order: 0 order: 1 order: 3 } }
layer { name: "cont" type: "Permute" bottom: "marks" top: "cont" permute_param { order: 1 order: 0 } }
layer { name: "lstm" type: "LSTM" bottom: "rows" bottom: "cont" top: "lstm"
  recurrent_param { num_output: 48 weight_filler { type: "xavier" } bias_filler { type: "constant" } } }
layer { name: "steps" type: "Slice" bottom: "lstm" top: "before" top: "last"
  slice_param { axis: 0 slice_point: 27 } }
layer { name: "nothing" type: "Silence" bottom: "before" }
layer { name: "ip" type: "InnerProduct" bottom: "last" top: "ip"
  inner_product_param { num_output: 10 axis: 2 weight_filler { type: "xavier" } } }
layer { name: "flat" type: "Reshape" bottom: "ip" top: "score" reshape_param { shape { dim: -1 dim: 10 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }
"""
SOLVER = """net: "%s" type: "Adam" base_lr: 0.003 momentum: 0.9 momentum2: 0.999 lr_policy: "fixed"
max_iter: %d clip_gradients: 5 random_seed: 1 snapshot_prefix: "%s" """


def write_rows(folder: Path) -> Path:
    """Writes the digits with the marks of their rows; returns the list of files for the data layer."""
    images, labels, _, _ = load_digits()
    marks = np.ones((len(images), images.shape[1]), np.float32)
    marks[:, 0] = 0
    h5py = require("h5py", "hdf5", "writing HDF5")
    with h5py.File(folder / "rows.h5", "w") as file:
        file["data"] = images[:, None] / np.float32(256)
        file["marks"], file["label"] = marks, labels.astype(np.float32)
    (folder / "rows.txt").write_text(str(folder / "rows.h5"))
    return folder / "rows.txt"


def train_rows(folder: Path, steps: int) -> tuple[Path, Path]:
    """Trains the net in ``folder``; returns its prototxt and its weights."""
    net = folder / "rows.prototxt"
    net.write_text(NET % write_rows(folder))
    (folder / "solver.prototxt").write_text(SOLVER % (net, steps, folder / "rows"))
    get_solver(str(folder / "solver.prototxt")).solve()
    return net, folder / f"rows_iter_{steps}.caffemodel"
