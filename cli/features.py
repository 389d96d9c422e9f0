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
@click.option("--out", required=True, metavar="DIR", help="Folder for the pictures; it is made.")
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    help="Show this layer, or those of a "
    "pattern like 'fire*/concat'; may be repeated. Default: each that changes maps.",
)
@click.option("--top", type=click.IntRange(1), metavar="K", help="Show the K most active maps only.")
@click.option(
    "--by",
    type=click.Choice(["mean", "energy"]),
    default="mean",
    show_default=True,
    help="What --top calls active.",
)
@click.option(
    "--normalize",
    type=click.Choice(["tile", "layer"]),
    default="tile",
    show_default=True,
    help="Scale each map by itself, or all of a layer together.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Most maps of a layer. Default: 64, fewer for deep nets.",
)
@click.option("--overlay", is_flag=True, help="Lay the maps over the image.")
@click.option(
    "--attribution",
    "methods",
    multiple=True,
    type=click.Choice([*METHODS, "all"]),
    help="Also show which pixels speak for the class; may be repeated.",
)
@click.option("--class", "target", type=int, metavar="N", help="The class to explain; default: the best.")
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
@click.option("--npz", is_flag=True, help="Also write the numbers, as NAME.npz.")
@click.option(
    "--npy",
    "blobs",
    multiple=True,
    metavar="BLOB",
    help="Also write this blob, as NAME_BLOB.npy; may be repeated.",
)
@click.option("--format", "suffix", default="png", show_default=True, help="Format of the pictures.")
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

    MODEL is a prototxt, in deploy form or the one for training, a solver's, or a caffemodel that holds
    its net; IMAGE is a picture, a folder, or an .npy array (a signal, a volume, an image of many channels)
    that goes in as it is.

    \b
    Example:
      cnnviz features deploy.prototxt net.caffemodel cat.jpg --mean 104,117,123 --out maps
      cnnviz features deploy.prototxt net.caffemodel cat.jpg --attribution gradcam --out maps
      cnnviz features deploy.prototxt net.caffemodel pictures/ --top-images conv2 --out maps
    """
    if target is not None and not methods:
        raise click.UsageError("--class says what --attribution explains; give that too.")
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
    paths, left_out = [], []
    for path in steps(pictures, "images"):
        try:
            picture = load_input(path)
        except FileError as error:
            if path in images:  # asked for by name, not found in a folder
                raise
            left_out.append(str(error))
            continue
        result = writer.write(path, picture, announce)
        clear()
        say(f"{path}: {result.summary()}")
        paths.append(path)
    report_skipped(left_out)
    if not paths:
        raise FileError(f"{', '.join(images)}: holds no picture that can be read.")
    for layer in ranked:
        say(writer.write_top_images(layer, paths, bar(f"images for {layer}")))
    for wish in wishes:
        say(writer.write_maximized(wish, bar(f"inputs for {wish}")))
