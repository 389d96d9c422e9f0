"""Arguments and options that several commands share, singly or in bundles that become one value.

Arguments come in one order everywhere: MODEL, WEIGHTS, what else is read, what is written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cnnviz.formats.prototxt import NetDefinition

FILE = click.Path(readable=False)  # shells complete it; what is wrong with a file its reader says

device_option = click.option(
    "--device",
    metavar="DEVICE",
    envvar="CNNVIZ_DEVICE",
    help="Device to run on: index (see `cnnviz devices`), gpu, cpu, or part of its name.",
)

phase_option = click.option(
    "--phase",
    type=click.Choice(["TRAIN", "TEST"], case_sensitive=False),
    help="Phase of the net.",
)
level_option = click.option("--level", type=int, default=0, show_default=True, help="Level of the net.")


def _split(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


stage_option = click.option(
    "--stage",
    "stages",
    multiple=True,
    callback=_split,
    help="Stage of the net, or several separated by commas; may be repeated.",
)

style_option = click.option(
    "--style",
    type=click.Choice(["light", "dark"]),
    default="light",
    show_default=True,
    help="Theme of the figure.",
)
dpi_option = click.option(
    "--dpi",
    type=click.IntRange(10, 1200),
    default=150,
    show_default=True,
    help="Pixels per inch of PNG and JPEG.",
)


def form_options(json: str, csv: str) -> Callable:
    """Returns a decorator that adds --json and --csv with these helps and passes ``form``: which, or None."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def command(as_json: bool, as_csv: bool, **given: Any) -> Any:
            if as_json and as_csv:
                raise click.UsageError("Give --json or --csv, not both.")
            return function(form="json" if as_json else "csv" if as_csv else None, **given)

        as_json = click.option("--json", "as_json", is_flag=True, help=json)
        return as_json(click.option("--csv", "as_csv", is_flag=True, help=csv)(command))

    return decorate


def model_argument(command: Callable) -> Callable:
    """Adds the argument MODEL."""
    return click.argument("model", type=FILE)(command)


def argument_or_flag(name: str, help: str, *, required: bool = True) -> Callable:
    """Returns a decorator that adds an argument which may also be given as Caffe's flag, -model FILE."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def command(**given: Any) -> Any:
            given[name] = given_once(name, given[name], given.pop(f"{name}_flag"), required=required)
            return function(**given)

        flag = click.option(f"--{name}", f"{name}_flag", type=FILE, metavar="FILE", help=help)
        word = click.argument(name, type=FILE, required=False)
        return word(flag(command))

    return decorate


def given_once(name: str, word: str | None, flag: str | None, *, required: bool = False) -> str | None:
    """Returns the value of the argument ``name`` that was given as a word, as a flag, as both or not at all.

    Raises UsageError if the two differ, or if ``required`` and there is none.
    """
    if word is not None and flag is not None and word != flag:
        raise click.UsageError(f"{name.upper()} is given twice, as {word} and as --{name} {flag}; give one.")
    if required and word is None and flag is None:
        raise click.UsageError(f"Missing argument '{name.upper()}'.")
    return flag if word is None else word


def weights_of(model: str, weights: str | None) -> str | None:
    """Returns WEIGHTS, or MODEL if it is a caffemodel that stands alone: it holds both."""
    from cnnviz.formats.nets import holds_text

    return model if weights is None and not holds_text(model) else weights


def bundle(name: str, kind: type, *options: Callable) -> Callable:
    """Returns a decorator that adds ``options`` and passes their values as one ``kind`` called ``name``."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def command(**given: Any) -> Any:
            values = {field.name: given.pop(field.name) for field in fields(kind)}
            return function(**given, **{name: kind(**values)})

        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@dataclass(frozen=True)
class StateOptions:
    """The state of a net: it has the layers whose rules fit."""

    phase: str | None
    level: int
    stages: tuple[str, ...]


state_options = bundle("state", StateOptions, phase_option, level_option, stage_option)


@dataclass(frozen=True)
class ImageArguments:
    """How an image becomes a net's input, and what its classes are called, as typed."""

    classes: str | None
    mean: str | None
    scale: float | None
    train_model: str | None
    rgb: bool
    stretch: bool
    size: str | None
    inputs: tuple[str, ...]
    level: int
    stages: tuple[str, ...]

    def keywords(self, definition: NetDefinition) -> dict[str, Any]:
        """Returns what an Inspector of the net ``definition`` takes."""
        from cnnviz.analysis.inputs import parse_inputs
        from cnnviz.analysis.preprocessing import parse_size, preprocessing_from_options, training_net

        net = training_net(self.train_model, definition)
        return {
            "preprocessing": preprocessing_from_options(net, self.mean, self.scale, self.rgb, self.stretch),
            "class_names": self.classes,
            "size": parse_size(self.size) if self.size else None,
            "inputs": parse_inputs(self.inputs),
            "level": self.level,
            "stages": self.stages,
        }


image_options = bundle(
    "image",
    ImageArguments,
    click.option("--classes", type=FILE, metavar="FILE", help="Class names, one per line."),
    click.option(
        "--mean",
        metavar="B,G,R|FILE",
        help="Mean to subtract: values, .binaryproto, .npy or .mat. Default: the data layer's.",
    ),
    click.option(
        "--scale", type=float, help="Factor applied after the mean. Default: the data layer's, or 1."
    ),
    click.option(
        "--train-model",
        type=FILE,
        metavar="FILE",
        help="Prototxt of the training net, whose data layer determines mean and scale.",
    ),
    click.option("--rgb", is_flag=True, help="The net expects RGB channel order instead of Caffe's BGR."),
    click.option("--stretch", is_flag=True, help="Resize the whole image. Default: center crop."),
    click.option("--size", metavar="H,W", help="Height and width of the net's input."),
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="NAME=VALUE|FILE",
        help="Value of an input other than the image: a number, numbers, an .npy file or an image; may be "
        "repeated. Default: 0; for the cont input of recurrent layers, 0 at the first step and 1 after it.",
    ),
    level_option,
    stage_option,
)

db_type_argument = click.argument(
    "db_type",
    metavar="[lmdb|leveldb]",
    required=False,
    type=click.Choice(["lmdb", "leveldb"], case_sensitive=False),
)

backend_option = click.option(
    "--backend",
    type=click.Choice(["lmdb", "leveldb"], case_sensitive=False),
    default="lmdb",
    show_default=True,
    help="Kind of database.",
)
