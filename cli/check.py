"""cnnviz check"""

from __future__ import annotations

import click

from cnnviz.cli._options import device_option, model_argument, phase_option
from cnnviz.cli._progress import say

SECTION = "Run and train"


@click.command()
@model_argument
@click.option("--layer", metavar="NAME", help="Check only this layer.")
@phase_option
@click.option(
    "--samples",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Number of elements to compare per blob.",
)
@click.option("--overfit", is_flag=True, help="Also test whether the net can overfit a single batch.")
@device_option
def command(
    model: str, layer: str | None, phase: str | None, samples: int, overfit: bool, device: str | None
) -> None:
    """Check the gradients and the initial loss of a net.

    MODEL is a prototxt; the default phase is TRAIN. The gradients of every layer are compared with central
    differences, (f(x + h) - f(x - h)) / 2h, in double precision where the device supports it. The initial
    loss of a softmax should be near log(classes). The exit status is 1 if a gradient is wrong.

    \b
    Example:
      cnnviz check lenet_train.prototxt
      cnnviz check lenet_train.prototxt --layer conv2 --samples 200
    """
    from cnnviz.analysis.gradient_check import check_gradients
    from cnnviz.analysis.learning_check import check_initial_loss, overfit_small_sample
    from cnnviz.engine.device import get_device
    from cnnviz.formats.nets import open_net

    definition, chosen = open_net(model), get_device(device)
    state = phase or "TRAIN"
    report = check_gradients(definition, layer, phase=state, samples=samples, device=chosen)
    say(report.to_text())
    if layer is None:
        for loss in check_initial_loss(definition, state, chosen):
            say(loss.to_text())
    if overfit:
        say(overfit_small_sample(definition, phase=state, device=chosen).to_text())
    if not report.passed:
        raise click.exceptions.Exit(1)
