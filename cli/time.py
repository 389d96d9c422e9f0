"""cnnviz time"""

from __future__ import annotations

import click

from cnnviz.cli._options import device_option, level_option, phase_option, stage_option
from cnnviz.cli._progress import say

SECTION = "Run and train"


@click.command()
@click.option("--model", required=True, metavar="FILE", help="Prototxt of the net or a solver.")
@click.option("--weights", metavar="FILE", help="Weights to use.")
@click.option(
    "--iterations", type=click.IntRange(1), default=50, show_default=True, help="Number of passes to time."
)
@click.option(
    "--json", "path", metavar="FILE", help="Also write the times to FILE, for `cnnviz draw --times`."
)
@phase_option
@level_option
@stage_option
@device_option
def command(
    model: str,
    weights: str | None,
    iterations: int,
    path: str | None,
    phase: str | None,
    level: int,
    stages: tuple[str, ...],
    device: str | None,
) -> None:
    """Time each layer of a net, forward and backward.

    In phase TEST, a net without a loss is timed forward only. Where the net's data is missing, zeros are used
    if the prototxt determines their shape.

    \b
    Example:
      cnnviz time --model lenet_train.prototxt --iterations 20
      cnnviz time --model lenet.prototxt --json times.json
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

    if path is not None:
        require_folder_of(path)
    definition = open_net(model)
    state = net_state(definition, phase or "TRAIN", level, stages)
    arrays = read_weights(weights) if weights is not None else None
    net = Net(with_stand_ins(definition, state, arrays), state=state, device=get_device(device), partial=True)
    try:
        if arrays is not None:
            net.use_weights(arrays, str(weights))
        net = warmed_up(net)
        times = time_layers(net, iterations)
    finally:
        net.close()
    say(times.to_text())
    if path is not None:
        write_text(path, times.to_json())
