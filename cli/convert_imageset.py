"""cnnviz convert-imageset"""

from __future__ import annotations

import click

from cnnviz.cli._options import backend_option
from cnnviz.cli._progress import bar, report_skipped, say

SECTION = "Data"


@click.command()
@click.argument("root")
@click.argument("list_file", metavar="LIST")
@click.argument("database", metavar="DB")
@click.option("--gray", is_flag=True, help="Store grey pictures.")
@click.option("--shuffle", is_flag=True, help="Shuffle the order.")
@click.option("--seed", type=int, help="Makes the shuffle repeatable.")
@backend_option
@click.option("--resize_width", "--resize-width", type=click.IntRange(0), default=0, help="Pixels; 0: as is.")
@click.option(
    "--resize_height", "--resize-height", type=click.IntRange(0), default=0, help="Pixels; 0: as is."
)
@click.option("--check_size", "--check-size", is_flag=True, help="Stop if pictures differ in size.")
@click.option("--encoded", is_flag=True, help="Store PNG or JPEG files, not pixels.")
@click.option("--encode_type", "--encode-type", default="", help="png, jpg, ...; default: as each file is.")
def command(
    root: str,
    list_file: str,
    database: str,
    gray: bool,
    shuffle: bool,
    seed: int | None,
    backend: str,
    resize_width: int,
    resize_height: int,
    check_size: bool,
    encoded: bool,
    encode_type: str,
) -> None:
    """Convert a list of images to a database.

    LIST has a line "path label" for each picture; paths count from the folder ROOT. Pictures that
    cannot be read are left out and named.

    \b
    Example:
      cnnviz convert-imageset --resize_width 256 --resize_height 256 photos/ train.txt train_lmdb
    """
    from cnnviz.engine.data.convert import ImageOptions, convert_imageset

    encoded = encoded or bool(encode_type)
    options = ImageOptions(gray, resize_height, resize_width, check_size, encoded, encode_type)
    done = convert_imageset(
        root,
        list_file,
        database,
        options,
        backend=backend,
        shuffle=shuffle,
        seed=seed,
        track=bar("Converting"),
    )
    report_skipped(done.skipped)
    say(f"{database}: {done.count} pictures.")
