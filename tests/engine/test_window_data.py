"""WindowData: which windows are drawn, and what of the image they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cnnviz
from cnnviz.engine.data.windows import Box, WindowSampler, read_window_file
from cnnviz.errors import FileError
from cnnviz.formats.prototxt import parse_net
from cnnviz.formats.schema import LayerParameter
from support.data_nets import net_of


def test_windows_are_found_beside_the_prototxt(windows, tmp_path, monkeypatch):
    layer = window_layer("windows.txt", "fg_fraction: 0.5").replace("./", "")
    (tmp_path / "net.prototxt").write_text(f"layer {{ name: 'data' {layer} }}")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    net = cnnviz.Net(tmp_path / "net.prototxt")
    assert net.forward()["y"].tolist() == [0, 0, 5, 5]
    net.close()


@pytest.fixture
def windows(tmp_path):
    image = np.zeros((20, 30, 3), np.uint8)
    image[5:15, 10:20] = (10, 20, 30)
    Image.fromarray(image).save(tmp_path / "a.png")
    path = tmp_path / "windows.txt"
    path.write_text("# 0\na.png\n3\n20\n30\n2\n5 0.9 10 5 19 14\n5 0.1 0 0 9 9\n")
    return path


def window_layer(windows, extra: str = "", transform: str = "") -> str:
    return (
        f"type: 'WindowData' top: 'x' top: 'y' window_data_param {{ source: '{windows}' batch_size: 4 "
        f"root_folder: '{Path(windows).parent}/' {extra} }} transform_param {{ crop_size: 10 {transform} }}"
    )


def test_windows_background_first_then_objects(windows):
    net = net_of(window_layer(windows, "fg_fraction: 0.5", "mean_value: 1 scale: 2"), cnnviz.TRAIN)
    result = net.forward()
    net.close()
    assert result["y"].tolist() == [0, 0, 5, 5]
    assert (result["x"][:2] == -2).all()
    assert [np.unique(plane).tolist() for plane in result["x"][3]] == [[58], [38], [18]]


def test_windows_context_shows_what_is_around(windows):
    net = net_of(window_layer(windows, "fg_fraction: 1 context_pad: 2"), cnnviz.TRAIN)
    object_plane = net.forward()["x"][0, 0]
    net.close()
    assert object_plane[5, 5] == 30 and object_plane[0, 0] == 0


def sampler(windows, extra: str = "") -> WindowSampler:
    text = f"layer {{ name: 'data' {window_layer(windows, extra)} }}"
    param: LayerParameter = parse_net(text).proto.layer[0]
    return WindowSampler(param, read_window_file(windows))


def test_windows_over_the_edge_are_padded(windows):
    place = sampler(windows, "crop_mode: 'square'").place(Box(-10, 0, 9, 9), 20, 30, mirror=False)
    assert place.box == Box(0, 0, 10, 15)
    assert (place.top, place.left) == (2, 5) and (place.height, place.width) == (8, 5)


@pytest.mark.parametrize(
    "content, message",
    [
        ("# 0\na.png\n3\nx\n", r":4: is not the line .* 'x'"),
        ("# 0\na.png\n3\n20\n30\n2\n1 0.5 0 0 5 5\n", "ends inside the windows"),
        ("# 0\na.png\n3\n20\n30\n1\n1 0.5 9 0 5 5\n", ":7: is not the line"),
        ("", "holds no image"),
    ],
)
def test_window_files_name_the_wrong_line(tmp_path, content, message):
    (tmp_path / "w.txt").write_text(content)
    with pytest.raises(FileError, match=message):
        read_window_file(tmp_path / "w.txt")
