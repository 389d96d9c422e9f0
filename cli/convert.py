"""cnnviz convert"""

from __future__ import annotations

import click

from cnnviz.cli._progress import say

SECTION = "Files"


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--net", metavar="FILE", help="The net's prototxt: gives a .caffemodel or .h5 its layers.")
def command(source: str, target: str, net: str | None) -> None:
    """Convert weights or a mean to another file format.

    The endings of IN and OUT say which. Outside of Caffe's files an array is named LAYER/NUMBER, e.g.
    conv1/0 (weight) and conv1/1 (bias); in .mat it is weights(k).blobs{1}. All are float32 in the
    order (num, channels, height, width). A mean goes between .binaryproto, .npy (channels, height,
    width) and .mat (mean_data: width, height, channels).

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
            raise click.UsageError("--net says which layers weights belong to; a mean has none.")
        mean = convert_mean(source, target)
        say(f"{target}: a mean of shape {mean.shape}.")
        return
    weights = convert_weights(source, target, open_net(net) if net else None)
    say(f"{target}: {len(weights)} layers with weights.")
