"""cnnviz train"""

from __future__ import annotations

import click

from cnnviz.cli.options import device_option


@click.command()
@click.option("--solver", "solver_file", required=True, metavar="FILE", help="The solver's prototxt.")
@click.option("--snapshot", metavar="STATE", help="Go on from this .solverstate.")
@click.option("--weights", metavar="FILE", help="Start from these .caffemodel weights (fine-tuning); "
              "several are separated by commas.")  # fmt: skip
@device_option
def command(solver_file: str, snapshot: str | None, weights: str | None, device: str | None) -> None:
    """Train a net as its solver file says.

    The log goes to the error stream in Caffe's own format. Ctrl-C ends after the iteration at hand
    and takes a snapshot; a hang-up signal (SIGHUP) takes a snapshot and goes on. Resumed training
    starts at the data's first item and with the seed's random numbers, as Caffe's does.

    \b
    Example:
      cnnviz train --solver lenet_solver.prototxt 2> train.log
      cnnviz plot train-loss loss.png train.log
    """
    from cnnviz.engine.device import get_device
    from cnnviz.engine.solver import Solver
    from cnnviz.errors import CnnvizError
    from cnnviz.formats.glog import log_to_stderr

    if snapshot and weights:
        raise CnnvizError("Give --snapshot to resume training or --weights to fine-tune, not both.")
    log_to_stderr()
    solver = Solver(solver_file, device=get_device(device))
    for path in (weights or "").split(","):
        if path:
            solver.copy_weights(path)
    _handle_signals(solver)
    try:
        solver.solve(snapshot)
    finally:
        solver.close()


def _handle_signals(solver) -> None:
    import signal

    def interrupt(*_) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C ends at once
        solver.stop()

    signal.signal(signal.SIGINT, interrupt)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: solver.request_snapshot())
