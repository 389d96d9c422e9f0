"""cnnviz features"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import click

from cnnviz.cli._options import (
    FILE,
    ImageArguments,
    bundle,
    device_option,
    dpi_option,
    image_options,
    model_argument,
    style_option,
)
from cnnviz.cli._progress import TerminalReport

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
    multiple=True,
    metavar="N|LAYER[:CHANNEL]",
    help="Also make an input that maximizes class N, a channel, or the channels of a layer; may be repeated.",
)
@click.option(
    "--top-images",
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
    maps: MapOptions,
    image: ImageArguments,
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
    from cnnviz.analysis.image_options import ImageOptions
    from cnnviz.api.feature_files import FeatureFiles, write_features
    from cnnviz.engine.device import get_device
    from cnnviz.formats.nets import open_net
    from cnnviz.plots.features.options import FeatureOptions

    chosen = METHODS if "all" in methods else methods
    files = FeatureFiles(Path(out), maps=FeatureOptions(**asdict(maps)), methods=chosen, **options)
    definition = open_net(model)
    write_features(
        definition,
        weights,
        images,
        files,
        ImageOptions(**image.keywords(definition)),
        device=get_device(device),
        report=TerminalReport(),
    )
