"""cnnviz time"""

from __future__ import annotations

import click

from cnnviz.cli._options import FILE, StateOptions, argument_or_flag, device_option, state_options
from cnnviz.cli._progress import say

SECTION = "Run and train"


@click.command()
@argument_or_flag("model", help="MODEL: the prototxt of the net or a solver.")
@argument_or_flag("weights", help="WEIGHTS: the weights to use.", required=False)
@click.option(
    "--iterations", type=click.IntRange(1), default=50, show_default=True, help="Number of passes to time."
)
@click.option(
    "--json",
    "path",
    type=FILE,
    metavar="FILE",
    help="Also write the times to FILE, for `cnnviz draw --times`; - prints them instead of the table.",
)
@state_options
@device_option
def command(
    model: str,
    weights: str | None,
    iterations: int,
    path: str | None,
    state: StateOptions,
    device: str | None,
) -> None:
    """Time each layer of a net, forward and backward.

    MODEL is the prototxt of a net or a solver. In phase TEST, a net without a loss is timed forward only.
    Where the net's data is missing, zeros are used if the prototxt determines their shape.

    \b
    Example:
      cnnviz time lenet_train.prototxt --iterations 20
      cnnviz time lenet.prototxt --json times.json
      cnnviz draw lenet.prototxt lenet.svg --color-by time --times times.json
    """
    from cnnviz.engine.device import get_device
    from cnnviz.engine.net import Net
    from cnnviz.engine.net_state import net_state
    from cnnviz.engine.scoring import time_layers, warmed_up
    from cnnviz.engine.stand_ins import with_stand_ins
    from cnnviz.formats.caffemodel import read_weights
    from cnnviz.formats.files import require_folder_of, write_text
    from cnnviz.formats.nets import open_net

    if path not in (None, "-"):
        require_folder_of(path)
    definition = open_net(model)
    chosen = net_state(definition, state.phase or "TRAIN", state.level, state.stages)
    arrays = read_weights(weights) if weights is not None else None
    net = Net(
        with_stand_ins(definition, chosen, arrays), state=chosen, device=get_device(device), partial=True
    )
    try:
        if arrays is not None:
            net.use_weights(arrays, str(weights))
        net = warmed_up(net)
        times = time_layers(net, iterations)
    finally:
        net.close()
    say(times.to_json().rstrip("\n") if path == "-" else times.to_text())
    if path not in (None, "-"):
        write_text(path, times.to_json())
