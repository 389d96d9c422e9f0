"""cnnviz weights"""

from __future__ import annotations

import os
from pathlib import Path

import click

from cnnviz.cli._options import dpi_option, style_option
from cnnviz.cli._progress import announce, clear, say

SECTION = "Look"


@click.command()
@click.argument("model")
@click.argument("weights")
@click.argument("out", required=False)
@click.option("--layer", "layers", multiple=True, help="Layer to draw; may be repeated.")
@click.option(
    "--order",
    type=click.Choice(["file", "norm", "similarity"]),
    default="file",
    show_default=True,
    help="Order of the filters.",
)
@click.option(
    "--normalize",
    type=click.Choice(["filter", "layer"]),
    default="filter",
    show_default=True,
    help="Share the colour scale per filter or per layer.",
)
@click.option("--rgb", is_flag=True, help="The net's input channels are RGB, not BGR.")
@click.option(
    "--limit", type=click.IntRange(1), help="Maximum number of tiles per layer (--filmstrip: of filters)."
)
@click.option("--no-marks", is_flag=True, help="Do not mark filters with findings.")
@click.option("--compare", metavar="OTHER", help="Draw the difference to this later snapshot.")
@click.option(
    "--filmstrip",
    multiple=True,
    metavar="FILE",
    help="Draw one layer across WEIGHTS and these snapshots; may be repeated, or a pattern in quotes.",
)
@click.option(
    "--report",
    type=click.Choice(["text", "json"]),
    is_flag=False,
    flag_value="text",
    help="Print the health of the filters, or the drift; OUT may be omitted.",
)
@style_option
@dpi_option
def command(
    model,
    weights,
    out,
    layers,
    order,
    normalize,
    rgb,
    limit,
    no_marks,
    compare,
    filmstrip,
    report,
    style,
    dpi,
) -> None:
    """Draw the filters of a net, or report their health.

    MODEL is the prototxt of a net or a solver, or "-" for the net that WEIGHTS itself holds. The extension of
    OUT selects the format: .png, .svg, .pdf, .eps, .jpg or .webp.

    \b
    Example:
      cnnviz weights deploy.prototxt lenet_iter_10000.caffemodel filters.png
      cnnviz weights deploy.prototxt lenet_iter_10000.caffemodel --report=json
      cnnviz weights deploy.prototxt lenet_iter_5000.caffemodel moved.png --compare lenet_iter_9000.caffemodel
      cnnviz weights - lenet_iter_1000.caffemodel film.png --layer conv1 --filmstrip 'lenet_iter_*.caffemodel'
    """
    if out is None and report is None:
        raise click.UsageError("Missing argument 'OUT'; it may be omitted only with --report.")
    if compare and filmstrip:
        raise click.UsageError("Give --compare or --filmstrip, not both.")
    if filmstrip and len(layers) > 1:
        raise click.UsageError("A filmstrip shows one layer; give --layer once.")
    if (compare or filmstrip) and (normalize != "filter" or no_marks):
        raise click.UsageError("--normalize and --no-marks apply to one snapshot; omit them here.")
    from cnnviz.analysis.filters import Report
    from cnnviz.api.compare import plot_weight_difference
    from cnnviz.api.filmstrip import plot_weight_filmstrip
    from cnnviz.api.weights import plot_weights, weights_report

    net = None if model == "-" else model
    later = [compare] if compare else _files(filmstrip, weights)
    measured = weights_report(net, weights, *later, progress=announce) if report else None
    clear()
    if measured is not None:
        say((measured.to_json() if report == "json" else measured.to_text()).rstrip("\n"))
    if out is None:
        return
    options = {"model": net, "order": order, "channel_order": "rgb" if rgb else "bgr"}
    options |= {"style": style, "dpi": dpi} | ({"limit": limit} if limit else {})
    if compare:
        plot_weight_difference(weights, compare, out, layers=layers or None, **options)
    elif filmstrip:
        plot_weight_filmstrip([weights, *later], out, layer=layers[0] if layers else None, **options)
    else:
        options |= {"layers": layers or None, "normalize": normalize, "marks": not no_marks}
        known = measured if isinstance(measured, Report) else None
        plot_weights(weights=weights, path=out, report=known, progress=announce, **options)
        clear()
    if report is None:  # a report has the output to itself
        say(f"Wrote {out}")


def _files(patterns: tuple[str, ...], first: str) -> list[str]:
    """Returns the files that the patterns name, without ``first``."""
    import glob

    from cnnviz.errors import FileError

    found: list[str] = []
    for pattern in patterns:
        names = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern))
        if not names:
            raise FileError(f"{pattern}: no such file, and no file matches it as a pattern.")
        found += names
    return [name for name in dict.fromkeys(found) if Path(name).resolve() != Path(first).resolve()]
