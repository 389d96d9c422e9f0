"""cnnviz convert"""

from __future__ import annotations

import click


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--net", metavar="FILE", help="The net's prototxt: gives a .caffemodel or .h5 its layers.")
def command(source: str, target: str, net: str | None) -> None:
    """Convert weights between .caffemodel, .h5, .npz, .safetensors and .mat.

    The endings of IN and OUT say which. Outside of Caffe's files an array is named LAYER/NUMBER, e.g.
    conv1/0 (weight) and conv1/1 (bias); in .mat it is weights(k).blobs{1}. All are float32 in the
    order (num, channels, height, width).

    \b
    Example:
      cnnviz convert lenet.caffemodel lenet.npz
      cnnviz convert lenet.npz lenet_edited.caffemodel --net lenet.prototxt
    """
    from cnnviz.formats.convert import convert_weights
    from cnnviz.formats.nets import open_net

    weights = convert_weights(source, target, open_net(net) if net else None)
    click.echo(f"{target}: {len(weights)} layers with weights.")
