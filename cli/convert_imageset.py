"""cnnviz convert-imageset"""

from __future__ import annotations

import click

from cnnviz.cli._options import FILE, backend_option
from cnnviz.cli._progress import bar, report_skipped, say

SECTION = "Data"


@click.command()
@click.argument("root", type=FILE)
@click.argument("list_file", type=FILE, metavar="LIST")
@click.argument("database", type=FILE, metavar="DB")
@click.option("--gray", is_flag=True, help="Store grayscale images.")
@click.option("--shuffle", is_flag=True, help="Shuffle the images.")
@click.option("--seed", type=int, help="Seed of the shuffle, to repeat it.")
@backend_option
@click.option(
    "--resize_width",
    "--resize-width",
    "width",
    type=click.IntRange(0),
    default=0,
    help="Width in pixels; 0: unchanged.",
)
@click.option(
    "--resize_height",
    "--resize-height",
    "height",
    type=click.IntRange(0),
    default=0,
    help="Height in pixels; 0: unchanged.",
)
@click.option("--check_size", "--check-size", is_flag=True, help="Stop if images differ in size.")
@click.option("--encoded", is_flag=True, help="Store encoded images (PNG or JPEG) instead of pixels.")
@click.option(
    "--encode_type", "--encode-type", default="", help="Encoding: png, jpg, ... Default: that of each file."
)
def command(
    root: str,
    list_file: str,
    database: str,
    shuffle: bool,
    seed: int | None,
    backend: str,
    encode_type: str,
    **stored,
) -> None:
    """Convert a list of images to a database.

    LIST has a line "path label" for each image; paths are relative to the folder ROOT. DB is the database to
    write. Images that cannot be read are skipped and reported.

    \b
    Example:
      cnnviz convert-imageset --resize_width 256 --resize_height 256 photos/ train.txt train_lmdb
    """
    from cnnviz.engine.data.imageset import ImageOptions, convert_imageset

    stored["encoded"] |= bool(encode_type)
    options = ImageOptions(**stored, encode_type=encode_type)
    order = {"backend": backend, "shuffle": shuffle, "seed": seed}
    done = convert_imageset(root, list_file, database, options, **order, track=bar("Converting"))
    report_skipped(done.skipped)
    say(f"{database}: {done.count} images.")
