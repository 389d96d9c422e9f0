"""cnnviz convert"""

from __future__ import annotations

import click

from cnnviz.cli._options import FILE
from cnnviz.cli._progress import say

SECTION = "Files"


@click.command()
@click.argument("source", type=FILE, metavar="IN")
@click.argument("target", type=FILE, metavar="OUT")
@click.option(
    "--net", type=FILE, metavar="FILE", help="Prototxt of the net: gives a .caffemodel or .h5 its layers."
)
def command(source: str, target: str, net: str | None) -> None:
    """Convert weights or a mean to another file format.

    The extensions of IN and OUT select the formats. Outside of Caffe's own formats, an array is named
    LAYER/INDEX, e.g. conv1/0 (weights) and conv1/1 (bias); in .mat, it is weights(k).blobs{1}. All are
    float32 with axes (num, channels, height, width). A mean is converted between .binaryproto, .npy
    (channels, height, width) and .mat (mean_data: width, height, channels).

    \b
    Example:
      cnnviz convert lenet.caffemodel lenet.npz
      cnnviz convert lenet.npz lenet_edited.caffemodel --net lenet.prototxt
      cnnviz convert mean.binaryproto mean.npy
    """
    from cnnviz.formats.convert import convert_mean, convert_weights, is_mean
    from cnnviz.formats.nets import open_net

    if is_mean(source, target):
        if net:
            raise click.UsageError("--net assigns weights to layers; a mean has none. Omit --net.")
        mean = convert_mean(source, target)
        say(f"{target}: a mean of shape {mean.shape}.")
        return
    weights = convert_weights(source, target, open_net(net) if net else None)
    say(f"{target}: {len(weights)} layers with weights.")
