"""Pictures of nets under the names of pycaffe's caffe.draw; ``cnnviz.draw_net`` can do more."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from cnnviz.formats.prototxt import parse_net, to_text
from cnnviz.plots import graph


def draw_net(
    caffe_net: Any, rankdir: str, ext: str = "png", phase: int | None = None, display_lrm: bool = False
) -> bytes:
    """Returns the picture of a NetParameter as the bytes of a file.

    Args:
        rankdir: where lines run: TB, BT, LR or RL.
        ext: format, as the ending of a file's name.
        phase: TRAIN or TEST; default TEST, or TRAIN for a net that works only there.
        display_lrm: whether boxes tell the learning-rate multipliers.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"net.{ext}")
        draw_net_to_file(caffe_net, path, rankdir, phase, display_lrm)
        with open(path, "rb") as file:
            return file.read()


def draw_net_to_file(
    caffe_net: Any, filename: str, rankdir: str = "LR", phase: int | None = None, display_lrm: bool = False
) -> None:
    """Draws a NetParameter into a file, whose ending tells the format; see ``draw_net``."""
    net = parse_net(to_text(caffe_net), "the net")
    graph.draw_net(net, filename, rankdir=rankdir, phase=phase, rates=display_lrm)
