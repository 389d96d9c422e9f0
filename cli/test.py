"""cnnviz test"""

from __future__ import annotations

import click

from cnnviz.cli._options import device_option, level_option, stage_option
from cnnviz.cli._progress import say

SECTION = "Run and train"


@click.command()
@click.option("--model", required=True, metavar="FILE", help="Prototxt of the net or a solver.")
@click.option("--weights", required=True, metavar="FILE", help="Weights to test.")
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

    \b
    Example:
      cnnviz test --model lenet_train_test.prototxt --weights lenet.caffemodel --iterations 100
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
