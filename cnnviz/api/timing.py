"""The layers of a net timed, whether its data is there or not."""

from __future__ import annotations

import os
from collections.abc import Iterable

from cnnviz.engine.device import Device
from cnnviz.engine.net import Net
from cnnviz.engine.net_state import net_state
from cnnviz.engine.scoring import LayerTimes, time_layers, warmed_up
from cnnviz.engine.stand_ins import with_stand_ins
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.nets import open_net


def time_net(
    model: str | os.PathLike,
    weights: str | os.PathLike | None = None,
    iterations: int = 50,
    *,
    phase: int | str = "TRAIN",
    level: int = 0,
    stages: Iterable[str] = (),
    device: Device | None = None,
) -> LayerTimes:
    """Measures the forward and backward pass of each layer.

    Zeros replace data that is missing, if the prototxt determines their shape; layers that cannot run are
    omitted, with a warning.

    Args:
        model: path of whatever describes a net.
        weights: what to run with; by default what the fillers give.
        iterations: number of passes to time, after one that is not timed.
        phase, level, stages: the net's state.

    Raises:
        CnnvizError: a file cannot be read, or the net cannot run.
    """
    definition = open_net(model)
    state = net_state(definition, phase, level, stages)
    arrays = read_weights(weights) if weights is not None else None
    net = Net(with_stand_ins(definition, state, arrays), state=state, device=device, partial=True)
    try:
        if arrays is not None:
            net.use_weights(arrays, str(weights))
        net = warmed_up(net)
        return time_layers(net, iterations)
    finally:
        net.close()
