"""cnnviz gallery"""

from __future__ import annotations

import click

from cnnviz.cli.options import device_option


@click.command()
@click.argument("model")
@click.argument("weights", required=False)
@click.option(
    "--image", "images", multiple=True, metavar="IMG", help="A picture or a folder; may be repeated."
)
@click.option("--log", "logs", multiple=True, metavar="LOG", help="A training log; may be repeated.")
@click.option("--out", required=True, metavar="PAGE.html", help="The page to write.")
@click.option("--classes", metavar="FILE", help="Names of the classes, one per line.")
@click.option("--mean", metavar="B,G,R|FILE", help="Mean to take away from images.")
@click.option("--scale", type=float, help="Factor after the mean.")
@click.option("--rgb", is_flag=True, help="The net wants R, G, B; Caffe's habit is B, G, R.")
@click.option("--stretch", is_flag=True, help="Use the whole image; default: cut the middle out.")
@click.option("--size", metavar="H,W", help="Height and width of the net's input.")
@device_option
def command(model, weights, images, logs, out, classes, mean, scale, rgb, stretch, size, device) -> None:
    """Make one self-contained HTML page: graph, filters, feature maps, training curves.

    \b
    Example:
      cnnviz gallery deploy.prototxt net.caffemodel --image cat.jpg --log train.log --out net.html
    """
    from cnnviz.analysis.preprocessing import parse_size, preprocessing_from_options
    from cnnviz.cli.progress import announce
    from cnnviz.formats.prototxt import read_net
    from cnnviz.gallery.page import build_gallery

    chosen = None
    if images:
        from cnnviz.engine.device import get_device

        chosen = get_device(device)
    definition = read_net(model)
    build_gallery(
        definition,
        weights,
        images,
        logs,
        out,
        preprocessing=preprocessing_from_options(definition, mean, scale, rgb, stretch),
        class_names=classes,
        size=parse_size(size) if size else None,
        device=chosen,
        progress=announce,
    )
    click.echo(f"Wrote {out}")
