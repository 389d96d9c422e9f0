"""cnnviz time"""

from __future__ import annotations

from dataclasses import asdict

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
    from cnnviz.api.timing import time_net
    from cnnviz.engine.device import get_device
    from cnnviz.formats.files import require_folder_of, write_text

    if path not in (None, "-"):
        require_folder_of(path)
    options = asdict(state) | {"phase": state.phase or "TRAIN", "device": get_device(device)}
    times = time_net(model, weights, iterations, **options)
    say(times.to_json().rstrip("\n") if path == "-" else times.to_text())
    if path not in (None, "-"):
        write_text(path, times.to_json())
