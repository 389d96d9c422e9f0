"""cnnviz gallery"""

from __future__ import annotations

import click

from cnnviz.cli._options import (
    FILE,
    ImageArguments,
    argument_or_flag,
    device_option,
    given_once,
    image_options,
    weights_of,
)
from cnnviz.cli._output import output
from cnnviz.cli._progress import announce, clear, say

SECTION = "Look"


@click.command()
@click.argument("model", type=FILE, required=False)
@click.argument("weights", type=FILE, required=False)
@argument_or_flag("out", help="OUT: the page to write.", required=False)
@click.option(
    "--image", "images", type=FILE, multiple=True, metavar="IMG", help="Image or folder; may be repeated."
)
@click.option("--log", "logs", type=FILE, multiple=True, metavar="LOG", help="Training log; may be repeated.")
@click.option(
    "--index",
    type=FILE,
    metavar="DIR",
    help="Instead, write DIR/index.html, an index of the pages in DIR and its subfolders.",
)
@image_options
@device_option
def command(
    model: str | None,
    weights: str | None,
    out: str | None,
    images: tuple[str, ...],
    logs: tuple[str, ...],
    index: str | None,
    image: ImageArguments,
    device: str | None,
) -> None:
    """Write one HTML page about a net and its training.

    MODEL is the prototxt of a net or a solver, or a caffemodel, which provides both net and WEIGHTS. OUT is
    the page to write, an .html file; it is self-contained: graph, filters, feature maps, training curves.

    \b
    Example:
      cnnviz gallery deploy.prototxt net.caffemodel net.html --image cat.jpg --log train.log
      cnnviz gallery --index pages
    """
    if weights is not None and weights.endswith(".html"):
        weights, out = None, given_once("out", weights, out)
    if index is not None:
        if model is not None or out is not None:
            raise click.UsageError("Give MODEL and OUT, or --index DIR, not both.")
        from cnnviz.gallery.index import build_index

        say(f"Wrote {build_index(index)}")
        return
    if model is None or out is None:
        raise click.UsageError("Give MODEL and OUT, a PAGE.html, or --index DIR.")
    from cnnviz.engine.device import get_device
    from cnnviz.formats.nets import open_net
    from cnnviz.gallery.page import build_gallery

    chosen = get_device(device) if images else None
    definition = open_net(model)
    options = image.keywords(definition) | {"device": chosen, "progress": announce}
    with output(out, default="html") as path:
        build_gallery(definition, weights_of(model, weights), images, logs, path, **options)
        clear()
