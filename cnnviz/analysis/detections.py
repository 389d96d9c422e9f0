"""The objects that a detector finds: the rows of DetectionOutput or of YOLO's layers as boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cnnviz.engine.net import Net

# Types of layers whose tops are rows of item, class, score and corners -> their parameters.
_OUTPUTS = {
    "DetectionOutput": "detection_output_param",
    "YoloDetectionOutput": "yolo_detection_output_param",
    "Yolov3DetectionOutput": "yolov3_detection_output_param",
}
THRESHOLD = 0.3  # of scores worth showing, where the net has no visualize_threshold


@dataclass(frozen=True)
class Detection:
    """One object found.

    Attributes:
        target: its class; name: the class's name.
        score: 0 to 1.
        box: (left, top, right, bottom) in pixels of the net's input, cut at its edges.
    """

    target: int
    name: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Detections:
    """All objects whose score reaches ``threshold``, the highest score first.

    Attributes:
        below: how many boxes with lower scores the net gave.
    """

    threshold: float
    found: tuple[Detection, ...] = ()
    below: int = 0


def find_detections(
    net: Net, size: tuple[int, int], class_name: Callable[[int], str], names: int = 0
) -> Detections | None:
    """Returns what the last layer that lists boxes found in the net's first image; None if it has none.

    Args:
        net: has run forward.
        size: (height, width) of the input.
        class_name: gives the name of a class.
        names: number of classes with names. YOLO's layers count from 1; without a name for the background
            their class 1 has the first name.
    """
    node = next((n for n in reversed(net.graph.layers) if n.type in _OUTPUTS), None)
    if node is None:
        return None
    options = getattr(node.param, _OUTPUTS[node.type])
    yolo = node.type != "DetectionOutput"
    given = not yolo and options.HasField("visualize_threshold")
    threshold = options.visualize_threshold if given else THRESHOLD
    first = 1 if yolo and names == options.num_classes else 0
    rows = net.blobs[node.tops[0]].read_data().reshape(-1, 7)
    rows = rows[(rows[:, 0] == 0) & (rows[:, 1] >= 0) & np.isfinite(rows).all(axis=1)]
    corners = np.clip(rows[:, 3:], 0, 1)
    rows = rows[(corners[:, 2:] > corners[:, :2]).all(axis=1)]  # boxes outside the image are not objects
    sure = rows[rows[:, 2] >= threshold]
    found = []
    for row in sure[np.argsort(-sure[:, 2], kind="stable")]:
        left, top, right, bottom = (float(share) for share in np.clip(row[3:], 0, 1))
        box = left * size[1], top * size[0], right * size[1], bottom * size[0]
        target = int(row[1])
        found.append(Detection(target, class_name(target - first), float(row[2]), box))
    return Detections(threshold, tuple(found), len(rows) - len(sure))
