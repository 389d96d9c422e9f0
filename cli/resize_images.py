"""cnnviz resize-images"""

from __future__ import annotations

import click

from cnnviz.cli._options import FILE
from cnnviz.cli._progress import bar, report_skipped, say

SECTION = "Data"


@click.command()
@click.argument("in_folder", type=FILE)
@click.argument("out_folder", type=FILE)
@click.option(
    "--output_side_length",
    "--output-side-length",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Side of the square in pixels.",
)
@click.option(
    "--resize_width",
    "--resize-width",
    type=click.IntRange(0),
    default=0,
    help="Width in pixels: resize without cropping.",
)
@click.option(
    "--resize_height",
    "--resize-height",
    type=click.IntRange(0),
    default=0,
    help="Height in pixels: resize without cropping.",
)
def command(
    in_folder: str, out_folder: str, output_side_length: int, resize_width: int, resize_height: int
) -> None:
    """Resize the images of a folder and its subfolders.

    The shorter side becomes --output_side_length and the center square is cropped; with --resize_width and
    --resize_height, images are resized to that size, whatever their proportions.

    \b
    Example:
      cnnviz resize-images --output_side_length 128 photos/ small/
    """
    from cnnviz.engine.data.imageset import resize_images

    if bool(resize_width) != bool(resize_height):
        raise click.UsageError("Give both --resize_width and --resize_height, or neither.")
    size = (resize_height, resize_width) if resize_width else None
    done = resize_images(in_folder, out_folder, output_side_length, size, bar("Resizing"))
    report_skipped(done.skipped)
    say(f"{out_folder}: {done.count} images.")
