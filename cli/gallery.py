"""cnnviz gallery"""

from __future__ import annotations

import click

from cnnviz.cli._options import device_option, image_options
from cnnviz.cli._progress import announce, clear, say

SECTION = "Look"


@click.command()
@click.argument("model", required=False)
@click.argument("weights", required=False)
@click.option(
    "--image", "images", multiple=True, metavar="IMG", help="Image or folder of images; may be repeated."
)
@click.option("--log", "logs", multiple=True, metavar="LOG", help="Training log; may be repeated.")
@click.option("--out", metavar="PAGE.html", help="Page to write.")
@click.option(
    "--index",
    metavar="DIR",
    help="Instead write DIR/index.html, a page over the pages in DIR and the folders in it.",
)
@image_options
@device_option
def command(
    model,
    weights,
    images,
    logs,
    out,
    index,
    classes,
    mean,
    scale,
    train_model,
    rgb,
    stretch,
    size,
    inputs,
    level,
    stages,
    device,
) -> None:
    """Write one HTML page about a net and its training.

    MODEL is the prototxt of a net or a solver, or a caffemodel, which provides both net and weights. The page
    is self-contained: graph, filters, feature maps of images, training curves.

    \b
    Example:
      cnnviz gallery deploy.prototxt net.caffemodel --image cat.jpg --log train.log --out net.html
      cnnviz gallery --index pages
    """
    if index is not None:
        if model is not None or out is not None:
            raise click.UsageError("Give MODEL and --out PAGE.html, or --index DIR, not both.")
        from cnnviz.gallery.index import build_index

        say(f"Wrote {build_index(index)}")
        return
    if model is None or out is None:
        raise click.UsageError("Give MODEL and --out PAGE.html, or --index DIR.")
    from cnnviz.analysis.inputs import parse_inputs
    from cnnviz.analysis.preprocessing import parse_size, preprocessing_from_options, training_net
    from cnnviz.formats.nets import holds_text, open_net
    from cnnviz.gallery.page import build_gallery

    chosen = None
    if images:
        from cnnviz.engine.device import get_device

        chosen = get_device(device)
    definition = open_net(model)
    if weights is None and not holds_text(model):
        weights = model
    build_gallery(
        definition,
        weights,
        images,
        logs,
        out,
        preprocessing=preprocessing_from_options(
            training_net(train_model, definition), mean, scale, rgb, stretch
        ),
        class_names=classes,
        size=parse_size(size) if size else None,
        inputs=parse_inputs(inputs),
        level=level,
        stages=stages,
        device=chosen,
        progress=announce,
    )
    clear()
    say(f"Wrote {out}")
