"""cnnviz test"""

from __future__ import annotations

import click

from cnnviz.cli._options import argument_or_flag, device_option, level_option, stage_option
from cnnviz.cli._progress import say

SECTION = "Run and train"


@click.command()
@argument_or_flag("model", help="MODEL: the prototxt of the net or a solver.")
@argument_or_flag("weights", help="WEIGHTS: the weights to test.")
@click.option(
    "--iterations", type=click.IntRange(1), default=50, show_default=True, help="Number of batches to run."
)
@level_option
@stage_option
@device_option
def command(
    model: str, weights: str, iterations: int, level: int, stages: tuple[str, ...], device: str | None
) -> None:
    """Score a net: the mean of its outputs over batches.

    MODEL is the prototxt of a net or a solver; it is run in phase TEST, with WEIGHTS.

    \b
    Example:
      cnnviz test lenet_train_test.prototxt lenet.caffemodel --iterations 100
    """
    import cnnviz
    from cnnviz.engine.device import get_device
    from cnnviz.engine.scoring import score

    net = cnnviz.Net(model, cnnviz.TEST, level, stages, weights, device=get_device(device))
    try:
        for line in score(net, iterations):
            say(line)
    finally:
        net.close()
