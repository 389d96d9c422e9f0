"""cnnviz train"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cnnviz.cli._options import FILE, argument_or_flag, device_option, stage_option

if TYPE_CHECKING:
    from cnnviz.engine.solver import Solver
    from cnnviz.formats.prototxt import SolverDefinition

SECTION = "Run and train"

_EFFECTS = click.Choice(["stop", "snapshot", "none"])


@click.command()
@argument_or_flag("solver", help="SOLVER: the prototxt of the solver.")
@click.option("--snapshot", type=FILE, metavar="STATE", help="Resume from this .solverstate.")
@click.option(
    "--weights",
    type=FILE,
    metavar="FILE",
    help="Start from these .caffemodel weights (fine-tuning); several are separated by commas.",
)
@click.option("--level", type=int, help="Level of the training net, instead of the solver file's.")
@stage_option
@click.option(
    "--sigint_effect",
    "--sigint-effect",
    type=_EFFECTS,
    default="stop",
    show_default=True,
    help="Effect of Ctrl-C; stop takes a snapshot, too.",
)
@click.option(
    "--sighup_effect",
    "--sighup-effect",
    type=_EFFECTS,
    default="snapshot",
    show_default=True,
    help="Effect of a hang-up signal.",
)
@device_option
def command(
    solver: str,
    snapshot: str | None,
    weights: str | None,
    level: int | None,
    stages: tuple[str, ...],
    sigint_effect: str,
    sighup_effect: str,
    device: str | None,
) -> None:
    """Train a net, or resume its training.

    The log goes to stderr in Caffe's format. Ctrl-C finishes the current iteration and takes a snapshot; a
    hang-up signal (SIGHUP) takes a snapshot and training continues. Resumed training starts at the first item
    of the data and with the random numbers of the seed, as in Caffe.

    \b
    Example:
      cnnviz train lenet_solver.prototxt 2> train.log
      cnnviz train lenet_solver.prototxt --snapshot lenet_iter_5000.solverstate 2>> train.log
      cnnviz plot train-loss loss.png train.log
    """
    from cnnviz.engine.device import get_device
    from cnnviz.engine.solver import Solver
    from cnnviz.formats.glog import log_to_stderr
    from cnnviz.formats.prototxt import read_solver

    if snapshot and weights:
        raise click.UsageError("Give --snapshot to resume training or --weights to fine-tune, not both.")
    log_to_stderr()
    definition = _in_state(read_solver(solver), level, stages)
    training = Solver(definition, device=get_device(device))
    for path in (weights or "").split(","):
        if path:
            training.copy_weights(path.strip())
    _handle_signals(training, sigint_effect, sighup_effect)
    try:
        training.solve(snapshot)
    finally:
        training.close()


def _in_state(solver: SolverDefinition, level: int | None, stages: tuple[str, ...]) -> SolverDefinition:
    """Returns the solver with this level, if there is one, and more stages of the training net."""
    state = solver.proto.train_state
    if level is not None:
        state.level = level
    state.stage.extend(stages)
    return solver


def _handle_signals(solver: Solver, interrupt: str, hangup: str) -> None:
    import signal

    def stop(number: int, _) -> None:
        signal.signal(number, signal.default_int_handler)  # a second Ctrl-C ends at once
        solver.stop()

    def take_snapshot(*_) -> None:
        solver.request_snapshot()

    handlers = {"stop": stop, "snapshot": take_snapshot, "none": signal.SIG_IGN}
    signal.signal(signal.SIGINT, handlers[interrupt])
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, handlers[hangup])
