"""cnnviz features"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnviz.cli._options import (
    FILE,
    ImageOptions,
    bundle,
    device_option,
    dpi_option,
    image_options,
    model_argument,
    style_option,
)
from cnnviz.cli._progress import announce, bar, clear, report_skipped, say, steps

if TYPE_CHECKING:
    from cnnviz.api.feature_files import FeatureWriter

SECTION = "Look"

METHODS = ["saliency", "guided", "deconvolution", "gradcam", "occlusion", "integrated"]


@dataclass(frozen=True)
class MapOptions:
    """Which maps of a layer are shown, and how."""

    top: int | None
    by: str
    normalize: str
    limit: int | None
    overlay: bool


map_options = bundle(
    "maps",
    MapOptions,
    click.option("--top", type=click.IntRange(1), metavar="K", help="Show only the K most active maps."),
    click.option(
        "--by",
        type=click.Choice(["mean", "energy"]),
        default="mean",
        show_default=True,
        help="Measure of activity for --top.",
    ),
    click.option(
        "--normalize",
        type=click.Choice(["tile", "layer"]),
        default="tile",
        show_default=True,
        help="Share the colour scale per map or per layer.",
    ),
    click.option(
        "--limit",
        type=click.IntRange(1),
        metavar="N",
        help="Maximum number of maps per layer. Default: 64, fewer for deep nets.",
    ),
    click.option("--overlay", is_flag=True, help="Overlay the maps on the image."),
)


@click.command()
@model_argument
@click.argument("weights", type=FILE)
@click.argument("images", type=FILE, nargs=-1, required=True, metavar="IMAGE...")
@click.option("--out", type=FILE, required=True, metavar="DIR", help="Output directory, created if missing.")
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    help="Layer to show, or a pattern like 'fire*/concat'; may be repeated. Default: those that change maps.",
)
@map_options
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
    "maximized",
    multiple=True,
    metavar="N|LAYER[:CHANNEL]",
    help="Also make an input that maximizes class N, a channel, or the channels of a layer; may be repeated.",
)
@click.option(
    "--top-images",
    "ranked",
    multiple=True,
    metavar="LAYER",
    help="Also show the patches of the images that activate the channels of a layer most; may be repeated.",
)
@image_options
@click.option("--npz", is_flag=True, help="Also write the values to NAME.npz.")
@click.option(
    "--npy",
    "blobs",
    multiple=True,
    metavar="BLOB",
    help="Also write this blob to NAME_BLOB.npy; may be repeated.",
)
@click.option("--format", "suffix", default="png", show_default=True, help="Format of the figures.")
@style_option
@dpi_option
@device_option
def command(
    model: str,
    weights: str,
    images: tuple[str, ...],
    out: str,
    methods: tuple[str, ...],
    ranked: tuple[str, ...],
    maximized: tuple[str, ...],
    maps: MapOptions,
    image: ImageOptions,
    device: str | None,
    **options,
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
    if options["target"] is not None and not methods:
        raise click.UsageError("--class selects what --attribution explains; give --attribution too.")
    from cnnviz.analysis.preprocessing import find_pictures
    from cnnviz.api.feature_files import FeatureWriter
    from cnnviz.engine.device import get_device
    from cnnviz.formats.nets import open_net

    options["layers"] = options["layers"] or None
    definition, found = open_net(model), find_pictures(images)
    writer = FeatureWriter(
        definition,
        weights,
        Path(out),
        device=get_device(device),
        methods=METHODS if "all" in methods else list(methods),
        figure_options=asdict(maps),
        **image.keywords(definition),
        **options,
    )
    writer.check(ranked, maximized)
    paths = _write_each(writer, found, images)
    for layer in ranked:
        say(writer.write_top_images(layer, paths, bar(f"images for {layer}")))
    for target in maximized:
        say(writer.write_maximized(target, bar(f"inputs for {target}")))


def _write_each(writer: FeatureWriter, paths: list[str], asked: tuple[str, ...]) -> list[str]:
    """Writes the figures of each image and returns those that could be read.

    Raises FileError for one of ``asked``, which is no folder, that cannot be read, or if none can.
    """
    from cnnviz.analysis.preprocessing import load_input
    from cnnviz.errors import FileError

    written, skipped = [], []
    for path in steps(paths, "images"):
        try:
            image = load_input(path)
        except FileError as error:
            if path in asked:
                raise
            skipped.append(str(error))
            continue
        result = writer.write(path, image, announce)
        clear()
        say(f"{path}: {result.summary()}")
        written.append(path)
    report_skipped(skipped)
    if not written:
        raise FileError(f"{', '.join(asked)}: holds no image that can be read.")
    return written
