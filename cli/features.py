"""cnnviz features"""

from __future__ import annotations

from pathlib import Path

import click

from cnnviz.cli._options import device_option, dpi_option, image_options, style_option
from cnnviz.cli._progress import announce, bar, clear, report_skipped, say, steps

SECTION = "Look"

METHODS = ["saliency", "guided", "deconvolution", "gradcam", "occlusion", "integrated"]


@click.command()
@click.argument("model")
@click.argument("weights")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--out", required=True, metavar="DIR", help="Output directory, created if missing.")
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    help="Layer to show, or a pattern like 'fire*/concat'; may be repeated. Default: those that change maps.",
)
@click.option("--top", type=click.IntRange(1), metavar="K", help="Show only the K most active maps.")
@click.option(
    "--by",
    type=click.Choice(["mean", "energy"]),
    default="mean",
    show_default=True,
    help="Measure of activity for --top.",
)
@click.option(
    "--normalize",
    type=click.Choice(["tile", "layer"]),
    default="tile",
    show_default=True,
    help="Share the colour scale per map or per layer.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Maximum number of maps per layer. Default: 64, fewer for deep nets.",
)
@click.option("--overlay", is_flag=True, help="Overlay the maps on the image.")
@click.option(
    "--attribution",
    "methods",
    multiple=True,
    type=click.Choice([*METHODS, "all"]),
    help="Also show which pixels support the class; may be repeated.",
)
@click.option(
    "--class", "target", type=int, metavar="N", help="Class to explain. Default: the top prediction."
)
@click.option(
    "--maximize",
    "wishes",
    multiple=True,
    metavar="N|LAYER[:CHANNEL]",
    help="Also make an input that excites class N, a channel or the channels of a layer; may be repeated.",
)
@click.option(
    "--top-images",
    "ranked",
    multiple=True,
    metavar="LAYER",
    help="Also show which patches of the images excite the channels of a layer most; may be repeated.",
)
@image_options
@click.option("--npz", is_flag=True, help="Also write the values to NAME.npz.")
@click.option(
    "--npy",
    "blobs",
    multiple=True,
    metavar="BLOB",
    help="Also write this blob, as NAME_BLOB.npy; may be repeated.",
)
@click.option("--format", "suffix", default="png", show_default=True, help="Format of the figures.")
@style_option
@dpi_option
@device_option
def command(
    model,
    weights,
    images,
    out,
    layers,
    top,
    by,
    normalize,
    limit,
    overlay,
    methods,
    target,
    wishes,
    ranked,
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
    npz,
    blobs,
    suffix,
    style,
    dpi,
    device,
) -> None:
    """Draw feature maps, predictions and attributions.

    MODEL is the prototxt of a net (in its form for deployment or training) or of a solver, or a caffemodel.
    IMAGE is an image, a folder of images, or an .npy array (a signal, a volume, an image of many channels),
    which is used unchanged.

    \b
    Example:
      cnnviz features deploy.prototxt net.caffemodel cat.jpg --mean 104,117,123 --out maps
      cnnviz features deploy.prototxt net.caffemodel cat.jpg --attribution gradcam --out maps
      cnnviz features deploy.prototxt net.caffemodel photos/ --top-images conv2 --out maps
    """
    if target is not None and not methods:
        raise click.UsageError("--class selects what --attribution explains; give --attribution too.")
    from cnnviz.analysis.inputs import parse_inputs
    from cnnviz.analysis.preprocessing import (
        find_pictures,
        load_input,
        parse_size,
        preprocessing_from_options,
        training_net,
    )
    from cnnviz.api.feature_files import FeatureWriter
    from cnnviz.engine.device import get_device
    from cnnviz.errors import FileError
    from cnnviz.formats.nets import open_net

    definition, pictures = open_net(model), find_pictures(images)
    writer = FeatureWriter(
        definition,
        weights,
        Path(out),
        preprocessing=preprocessing_from_options(
            training_net(train_model, definition), mean, scale, rgb, stretch
        ),
        class_names=classes,
        size=parse_size(size) if size else None,
        device=get_device(device),
        methods=METHODS if "all" in methods else list(methods),
        target=target,
        figure_options={
            "top": top,
            "by": by,
            "normalize": normalize,
            "limit": limit,
            "overlay": overlay,
        },
        layers=list(layers) or None,
        style=style,
        dpi=dpi,
        suffix=suffix,
        npz=npz,
        blobs=blobs,
        inputs=parse_inputs(inputs),
        level=level,
        stages=stages,
    )
    writer.check(ranked, wishes)
    paths, skipped = [], []
    for path in steps(pictures, "images"):
        try:
            picture = load_input(path)
        except FileError as error:
            if path in images:  # asked for by name, not found in a folder
                raise
            skipped.append(str(error))
            continue
        result = writer.write(path, picture, announce)
        clear()
        say(f"{path}: {result.summary()}")
        paths.append(path)
    report_skipped(skipped)
    if not paths:
        raise FileError(f"{', '.join(images)}: holds no image that can be read.")
    for layer in ranked:
        say(writer.write_top_images(layer, paths, bar(f"images for {layer}")))
    for wish in wishes:
        say(writer.write_maximized(wish, bar(f"inputs for {wish}")))
