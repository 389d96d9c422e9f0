"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable

import click

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


def chosen_form(as_json: bool, as_csv: bool) -> str | None:
    """Returns the form that the flags --json and --csv select: "json", "csv" or None.

    Raises UsageError if both are given.
    """
    if as_json and as_csv:
        raise click.UsageError("Give --json or --csv, not both.")
    return "json" if as_json else "csv" if as_csv else None


_IMAGE_OPTIONS = (
    click.option("--classes", metavar="FILE", help="Class names, one per line."),
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
)


def image_options(command: Callable) -> Callable:
    """Adds the options for turning an image into a net's input, and for the names of its classes."""
    for option in reversed((*_IMAGE_OPTIONS, level_option, stage_option)):
        command = option(command)
    return command


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
