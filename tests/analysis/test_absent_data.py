"""Nets whose data is elsewhere: what runs on zeros, and what asks for the data."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.errors import FileError, NetError
from support.partial_nets import CONV, IP, WHOLE, run, save

AWAY = """name: "away"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { TRANSFORM } data_param { source: "no_such_lmdb" batch_size: 2 } }
"""
TRAINED = (
    CONV + IP + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }\n'
)


@pytest.mark.parametrize(
    "transform, said",
    [
        ("crop_size: 8 mean_value: 1 mean_value: 2 mean_value: 3", "data (2, 3, 8, 8), label (2,)."),
        ("crop_size: 8 force_color: true", "data (2, 3, 8, 8), label (2,)."),
        ("crop_size: 6 mean_file: 'mean.npy'", "data (2, 4, 6, 6), label (2,)."),
        ("mean_file: 'mean.npy'", "data (2, 4, 9, 7), label (2,)."),
        ("crop_size: 8 mean_file: 'gone.npy'", "(2, 3, 8, 8), label (2,) (that images have 3 channels is "),
        ("crop_size: 8 mean_value: 7", "(2, 3, 8, 8), label (2,) (that images have 3 channels is assumed)."),
    ],
)  # fmt: skip
def test_time_has_zeros_stand_in_for_data_that_is_elsewhere(folder, caplog, transform, said):
    np.save("mean.npy", np.zeros((4, 9, 7), np.float32))
    (folder / "train.prototxt").write_text(AWAY.replace("TRANSFORM", transform) + TRAINED)
    result = run("time", "--model", "train.prototxt", "--iterations", "1")
    assert result.exit_code == 0, result.exception
    assert "\nloss " in result.output and "\ndata " in result.output
    (line,) = [record.getMessage() for record in caplog.records]
    assert "train.prototxt:2: layer 'data' (Data): " in line and said in line


def test_the_weights_determine_the_channels_of_absent_data(folder, caplog):
    (folder / "train.prototxt").write_text(AWAY.replace("TRANSFORM", "crop_size: 8") + TRAINED)
    save(WHOLE.replace("dim: 3", "dim: 1"), "gray.caffemodel")
    result = run("time", "--model", "train.prototxt", "--iterations", "1", "--weights", "gray.caffemodel")
    assert result.exit_code == 0, result.exception
    assert "data (2, 1, 8, 8), label (2,)." in caplog.text


def test_absent_data_of_unknown_shape_is_an_error_with_the_way_out(folder):
    (folder / "train.prototxt").write_text(AWAY.replace("TRANSFORM", "") + TRAINED)
    error = run("time", "--model", "train.prototxt").exception
    assert isinstance(error, NetError) and "no_such_lmdb" in str(error)
    assert "nor do its parameters give the shape of 'data'" in str(error)
    assert str(error).endswith("Give the deploy prototxt, whose Input says it.")


def test_train_and_test_want_their_data(folder):
    text = AWAY.replace("TRANSFORM", "crop_size: 8 force_color: true").replace("TRAIN", "TEST") + TRAINED
    (folder / "test.prototxt").write_text(text)
    tested = run("test", "--model", "test.prototxt", "--weights", "net.caffemodel").exception
    assert isinstance(tested, FileError) and "no_such_lmdb" in str(tested)
    extracted = run("extract-features", "net.caffemodel", "test.prototxt", "ip", "ip.npz", "1").exception
    assert "no_such_lmdb" in str(extracted)


def test_time_sets_zeros_for_memory_data(folder, caplog):
    sizes = "batch_size: 2 channels: 3 height: 8 width: 8"
    data = 'layer { name: "data" type: "MemoryData" top: "data" top: "label" '
    data += f"memory_data_param {{ {sizes} }} }}\n"
    (folder / "train.prototxt").write_text(data + TRAINED)
    assert run("time", "--model", "train.prototxt", "--iterations", "1").exit_code == 0
    assert "no arrays are set for it. Zeros stand in for it: data (2, 3, 8, 8), label (2,)." in caplog.text
