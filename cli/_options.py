"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable

import click

device_option = click.option(
    "--device",
    metavar="WISH",
    envvar="CNNVIZ_DEVICE",
    help="What to run on: a number of `cnnviz devices`, gpu, cpu or a part of a name.",
)

phase_option = click.option(
    "--phase",
    type=click.Choice(["TRAIN", "TEST"], case_sensitive=False),
    help="The net's phase.",
)
level_option = click.option("--level", type=int, default=0, show_default=True, help="The net's level.")


def _split(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


stage_option = click.option(
    "--stage",
    "stages",
    multiple=True,
    callback=_split,
    help="A stage of the net, or several with commas; may be repeated.",
)

style_option = click.option(
    "--style",
    type=click.Choice(["light", "dark"]),
    default="light",
    show_default=True,
    help="Colours of the picture.",
)
dpi_option = click.option(
    "--dpi",
    type=click.IntRange(10, 1200),
    default=150,
    show_default=True,
    help="Dots per inch of PNG and JPEG.",
)


def chosen_form(as_json: bool, as_csv: bool) -> str | None:
    """Returns which form the flags --json and --csv ask for, "json", "csv" or None.

    Raises UsageError if both do.
    """
    if as_json and as_csv:
        raise click.UsageError("Give --json or --csv, not both.")
    return "json" if as_json else "csv" if as_csv else None


_IMAGE_OPTIONS = (
    click.option("--classes", metavar="FILE", help="Names of the classes, one per line."),
    click.option(
        "--mean",
        metavar="B,G,R|FILE",
        help="Mean to take away: numbers, .binaryproto, .npy or "
        ".mat. Default: what the net's data layer says.",
    ),
    click.option(
        "--scale", type=float, help="Factor after the mean. Default: what the data layer says, or 1."
    ),
    click.option(
        "--train-model",
        metavar="FILE",
        help="Prototxt of the training net: its data layer tells mean and scale.",
    ),
    click.option("--rgb", is_flag=True, help="The net wants R, G, B; Caffe's habit is B, G, R."),
    click.option("--stretch", is_flag=True, help="Use the whole image; default: cut the middle out."),
    click.option("--size", metavar="H,W", help="Height and width of the net's input."),
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="NAME=VALUE|FILE",
        help="Feed another input "
        "than the image's: a number, numbers, an .npy file or an image; may be repeated. "
        "Default: 0 at the first step and 1 after for the cont of recurrent layers, else 0.",
    ),
)


def image_options(command: Callable) -> Callable:
    """Adds the options that say how a picture becomes a net's input and what its classes are called."""
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
    help="The kind of database.",
)
