"""cnnviz train"""

from __future__ import annotations

import click

from cnnviz.cli._options import device_option, stage_option

SECTION = "Run and train"

_EFFECTS = click.Choice(["stop", "snapshot", "none"])


@click.command()
@click.option("--solver", "solver_file", required=True, metavar="FILE", help="Prototxt of the solver.")
@click.option("--snapshot", metavar="STATE", help="Resume from this .solverstate.")
@click.option(
    "--weights",
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
    solver_file: str,
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
      cnnviz train --solver lenet_solver.prototxt 2> train.log
      cnnviz plot train-loss loss.png train.log
    """
    from cnnviz.engine.device import get_device
    from cnnviz.engine.solver import Solver
    from cnnviz.errors import CnnvizError
    from cnnviz.formats.glog import log_to_stderr
    from cnnviz.formats.prototxt import read_solver

    if snapshot and weights:
        raise CnnvizError("Give --snapshot to resume training or --weights to fine-tune, not both.")
    log_to_stderr()
    definition = read_solver(solver_file)
    state = definition.proto.train_state
    if level is not None:
        state.level = level
    state.stage.extend(stages)
    solver = Solver(definition, device=get_device(device))
    for path in (weights or "").split(","):
        if path:
            solver.copy_weights(path.strip())
    _handle_signals(solver, sigint_effect, sighup_effect)
    try:
        solver.solve(snapshot)
    finally:
        solver.close()


def _handle_signals(solver, interrupt: str, hangup: str) -> None:
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
