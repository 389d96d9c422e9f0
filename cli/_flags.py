"""Flags as Caffe's tools take them, for every command: -solver x, --solver=x, -gpu 0, --resize_width 256.

Whatever is spelled in Caffe's way is rewritten before click parses it: one dash or two, underscores or
dashes, --flag=true. What Caffe has and cnnviz does not need is dropped, or answered with what to do instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

# The programs of Caffe by the commands that do their work.
COMMANDS = {
    "device-query": "devices",
    "compute-image-mean": "image-mean",
    "convert-mnist-data": "convert-mnist",
    "convert-cifar-data": "convert-cifar10",
    "draw-net": "draw",
    "plot-training-log": "plot",
    "upgrade-net-proto-text": "upgrade",
    "upgrade-net-proto-binary": "upgrade",
    "upgrade-solver-proto-text": "upgrade",
}
_FLAG = re.compile(r"--?[A-Za-z][\w-]*(=.*)?", re.DOTALL)
# glog's, for what is done anyway: the log goes to stderr.
_WITHOUT_EFFECT = {
    "logtostderr",
    "alsologtostderr",
    "colorlogtostderr",
    "stderrthreshold",
    "minloglevel",
    "v",
    "vmodule",
    "logbufsecs",
    "logbuflevel",
    "max-log-size",
    "stop-logging-if-full-disk",
    "log-prefix",
}
_SWITCHES = {"logtostderr", "alsologtostderr", "colorlogtostderr", "log-prefix", "stop-logging-if-full-disk"}
_INSTEAD = {
    "log-dir": "the log goes to stderr; redirect it to a file: 2> train.log",
    "solver": "give the prototxt of the net or the solver as an argument",
    "iterations": "the solver file determines how long to train: max_iter",
    "model": "give the prototxt of the net as an argument; for training, the solver file names it: net",
    "phase": "train runs in phase TRAIN, test in phase TEST",
    "snapshot": "a solver state resumes training; give weights as --weights or as an argument",
    "gpu": "this command does not run the net, so it needs no device",
}


def command_name(word: str) -> str:
    """Returns the name of the command that ``word`` means: convert_imageset, draw_net.py."""
    name = spelling(word.removesuffix(".py").removesuffix(".bin"))
    return COMMANDS.get(name, name)


def spelling(name: str) -> str:
    """Returns a name without leading dashes and with dashes for underscores."""
    return name.lstrip("-").replace("_", "-")


def rewritten(own_name: str | None, command: click.Command, args: list[str]) -> list[str]:
    """Returns ``args`` with flags as ``command``, which is called ``own_name``, declares them.

    Raises UsageError for a flag of Caffe's in whose place something else is needed here.
    """
    known = {
        spelling(name): (name, param)
        for param in command.params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }
    kept: list[str] = []
    rest = iter(args)
    for arg in rest:
        if arg == "--":
            return [*kept, arg, *rest]
        is_flag = _FLAG.fullmatch(arg) and arg != "-h"
        kept += _flag(own_name, arg, rest, known) if is_flag else [arg]
    return kept


def _flag(own_name: str | None, arg: str, rest: Iterator[str], known: dict[str, tuple]) -> list[str]:
    flag, equals, text = arg.partition("=")
    name, value = spelling(flag), text if equals else None
    if name in known:
        return _known(*known[name], value, rest)
    if name.startswith("no") and name[2:] in known and known[name[2:]][1].is_flag:
        return _known(*known[name[2:]], "false", rest)  # gflags' way to turn a switch off
    return _foreign(own_name, name, value, rest, known)


def _known(name: str, option: click.Option, value: str | None, rest: Iterator[str]) -> list[str]:
    if option.is_flag or option.count:
        if value is None or value.lower() in ("true", "1", "yes", "t", "y"):
            return [name]
        if value.lower() in ("false", "0", "no", "f", "n"):
            return list(option.secondary_opts[:1])
        return [f"{name}={value}"]
    if value is None:
        value = next(rest, None)
    return [name] if value is None else [name, value]


def _foreign(
    own_name: str | None, name: str, value: str | None, rest: Iterator[str], known: dict[str, tuple]
) -> list[str]:
    if name in ("helpshort", "helpfull"):
        return ["--help"]
    if name in _WITHOUT_EFFECT:
        if value is None and name not in _SWITCHES:
            next(rest, None)
        return []
    if name == "gpu" and ("device" in known or own_name == "devices"):
        number = next(rest, "0") if value is None else value
        device = gpu_device(number) if "device" in known else None
        return [] if device is None else ["--device", device]
    if name in _INSTEAD:
        raise click.UsageError(f"--{name.replace('-', '_')}: {_INSTEAD[name]}.")
    return [f"--{name}" if value is None else f"--{name}={value}"]


def gpu_device(numbers: str) -> str | None:
    """Returns the --device for Caffe's -gpu 0: of several, or all, the first; None where there is no GPU."""
    from cnnviz.engine.opencl import list_devices

    first = numbers.split(",")[0]
    number = int(first) if first.isdigit() else 0
    gpus = [device for device in list_devices() if device.kind.lower() == "gpu"]
    if not gpus:
        click.echo("--gpu: no OpenCL GPU found; the flag is ignored.", err=True)
        return None
    if number >= len(gpus):
        raise click.UsageError(f"--gpu {numbers}: expected 0 to {len(gpus) - 1}; see: cnnviz devices")
    if not numbers.isdigit():
        click.echo(f"--gpu {numbers}: cnnviz uses one device, GPU {number}.", err=True)
    return str(gpus[number].index)
