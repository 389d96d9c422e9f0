"""Running a net many times: its mean outputs, and how long each layer takes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cnnviz.engine.labels import LabelCheck
from cnnviz.engine.net import Net
from cnnviz.engine.partial import LayerFailure
from cnnviz.errors import one_line
from cnnviz.formats.glog import number


def score(net: Net, batches: int) -> Iterator[str]:
    """Yields the lines of ``cnnviz test``: each batch's outputs, then the mean loss and outputs."""
    sums: dict[str, np.ndarray] = {}
    loss = 0.0
    check = LabelCheck()
    for batch in range(batches):
        outputs = net.forward()
        check(net)
        loss += net.loss()
        for name, values in outputs.items():
            sums[name] = sums.get(name, 0) + values.astype(np.float64)
            for value in values.ravel():
                yield f"Batch {batch}, {one_line(name)} = {number(value)}"
    yield f"Loss: {number(loss / batches)}"
    means = {name: values / batches for name, values in sums.items()}
    for name, value, weight in output_values(net, means):
        yield f"{one_line(name)} = {number(value)}{weighted(value, weight)}"


def loss_weights(net: Net) -> dict[str, float]:
    """Returns the weight of each top in the loss."""
    weights: dict[str, float] = {}
    for node in net.graph.layers:
        if node.layer is not None:
            weights.update(zip(node.tops, node.layer.loss_weights, strict=True))
    return weights


def output_values(net: Net, outputs: Mapping[str, np.ndarray]) -> Iterator[tuple[str, float, float]]:
    """Yields name, value and loss weight of every value of the outputs, in Caffe's order."""
    weights = loss_weights(net)
    for name, values in outputs.items():
        for value in np.ravel(values):
            yield name, float(value), weights.get(name, 0.0)


def weighted(value: float, weight: float) -> str:
    """Returns Caffe's remark on an output that counts in the loss, e.g. " (* 1 = 2.3 loss)"."""
    return f" (* {number(weight)} = {number(weight * value)} loss)" if weight else ""


@dataclass
class LayerTimes:
    """Mean times in milliseconds.

    Attributes:
        names, types: of the layers in order.
        forward, backward: per layer, each layer waited for.
        total: of whole passes, forward and backward, without waiting between layers.
    """

    device: str
    names: list[str]
    types: list[str]
    forward: np.ndarray
    backward: np.ndarray
    total: float

    def to_text(self) -> str:
        names, types = ([one_line(text) for text in column] for column in (self.names, self.types))
        width = max(map(len, [*names, "layer"]))
        kind = max(map(len, [*types, "type"]))
        lines = [f"Device: {self.device}", "", f"{'layer':{width}}  {'type':{kind}}  forward ms  backward ms"]
        for row in zip(names, types, self.forward, self.backward, strict=True):
            lines.append(f"{row[0]:{width}}  {row[1]:{kind}}  {row[2]:10.3f}  {row[3]:11.3f}")
        lines += [
            "",
            f"Sum of layers: forward {self.forward.sum():.3f} ms, backward {self.backward.sum():.3f} ms",
            f"Average forward-backward: {self.total:.3f} ms",
        ]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Returns everything as JSON: device, total_ms, and for each layer name, type and both times."""
        rows = zip(self.names, self.types, self.forward.tolist(), self.backward.tolist(), strict=True)
        keys = ("name", "type", "forward_ms", "backward_ms")
        layers = [dict(zip(keys, row, strict=True)) for row in rows]
        return json.dumps({"device": self.device, "total_ms": self.total, "layers": layers}, indent=1) + "\n"


def warmed_up(net: Net) -> Net:
    """Returns the net after one pass; of a partial one what is left where layers fail in that pass."""
    while True:
        try:
            net.run_forward()
            net.run_backward()
        except LayerFailure as failure:
            net = net.rest(failure)
        else:
            net.device.finish()
            return net


def time_layers(net: Net, iterations: int) -> LayerTimes:
    """Measures each layer over ``iterations`` passes of a net that ``warmed_up`` gave."""
    count = len(net.layers)
    forward, backward = np.zeros(count), np.zeros(count)
    for _ in range(iterations):
        for i in range(count):
            forward[i] += _seconds(net, net.forward_layer, i)
        for i in reversed(range(count)):
            backward[i] += _seconds(net, net.backward_layer, i)
    start = time.perf_counter()
    for _ in range(iterations):
        net.run_forward()
        net.run_backward()
    net.device.finish()
    total = time.perf_counter() - start
    scale = 1000 / iterations
    types = [layer.type or "" for layer in net.layers]
    return LayerTimes(
        net.device.info.title, net.layer_names, types, forward * scale, backward * scale, total * scale
    )


def _seconds(net: Net, work, index: int) -> float:
    start = time.perf_counter()
    work(index)
    net.device.finish()
    return time.perf_counter() - start
