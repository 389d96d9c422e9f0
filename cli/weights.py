"""cnnviz weights"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cnnviz.cli._options import FILE, bundle, dpi_option, model_argument, style_option, weights_of
from cnnviz.cli._output import format_option, output
from cnnviz.cli._progress import announce, clear, say

SECTION = "Look"


@dataclass(frozen=True)
class FigureOptions:
    """How filters are drawn, as typed."""

    layers: tuple[str, ...]
    order: str
    normalize: str
    rgb: bool
    limit: int | None
    no_marks: bool
    style: str
    dpi: int

    def keywords(self, model: str | None) -> dict[str, Any]:
        """Returns what every figure of weights takes."""
        channel_order = "rgb" if self.rgb else "bgr"
        given = {"model": model, "order": self.order, "channel_order": channel_order}
        given |= {"style": self.style, "dpi": self.dpi}
        return given if self.limit is None else given | {"limit": self.limit}


figure_options = bundle(
    "drawn",
    FigureOptions,
    click.option("--layer", "layers", multiple=True, help="Layer to draw; may be repeated."),
    click.option(
        "--order",
        type=click.Choice(["file", "norm", "similarity"]),
        default="file",
        show_default=True,
        help="Order of the filters.",
    ),
    click.option(
        "--normalize",
        type=click.Choice(["filter", "layer"]),
        default="filter",
        show_default=True,
        help="Share the colour scale per filter or per layer.",
    ),
    click.option("--rgb", is_flag=True, help="The net's input channels are RGB, not BGR."),
    click.option(
        "--limit", type=click.IntRange(1), help="Maximum number of tiles per layer (--filmstrip: of filters)."
    ),
    click.option("--no-marks", is_flag=True, help="Do not mark filters with findings."),
    style_option,
    dpi_option,
)


@click.command()
@model_argument
@click.argument("weights", type=FILE, required=False)
@click.argument("out", type=FILE, required=False)
@click.option("--compare", type=FILE, metavar="OTHER", help="Draw the difference to this later snapshot.")
@click.option(
    "--filmstrip",
    multiple=True,
    type=FILE,
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
@figure_options
@format_option("svg", "png", "pdf", "eps", "jpg", "webp")
def command(
    model: str,
    weights: str | None,
    out: str | None,
    drawn: FigureOptions,
    compare: str | None,
    filmstrip: tuple[str, ...],
    report: str | None,
    stdout_format: str | None,
) -> None:
    """Draw the filters of a net, or report their health.

    MODEL is the prototxt of a net or a solver; a caffemodel that holds its net may stand alone. The
    extension of OUT selects the format: .png, .svg, .pdf, .eps, .jpg or .webp; "-" is standard output.

    \b
    Example:
      cnnviz weights deploy.prototxt lenet_iter_10000.caffemodel filters.png
      cnnviz weights deploy.prototxt lenet_iter_10000.caffemodel --report=json
      cnnviz weights deploy.prototxt lenet_iter_5000.caffemodel moved.png --compare lenet_iter_9000.caffemodel
      cnnviz weights lenet_iter_1000.caffemodel film.png --layer conv1 --filmstrip 'lenet_iter_*.caffemodel'
    """
    from cnnviz.analysis.filter_report import Report
    from cnnviz.api.weights import plot_weights, weights_report
    from cnnviz.formats.paths import matching_files

    net, first, out = _files(model, weights, out)
    _check_output(out, report)
    _check_figure(drawn, compare, filmstrip)
    later = [compare] if compare else matching_files(filmstrip, omit=first)
    measured = weights_report(net, first, *later, progress=announce) if report else None
    clear()
    if measured is not None:
        say((measured.to_json() if report == "json" else measured.to_text()).rstrip("\n"))
    if out is None:
        return
    from cnnviz.api.compare import plot_weight_difference
    from cnnviz.api.filmstrip import plot_weight_filmstrip

    options, layers = drawn.keywords(net), drawn.layers or None
    with output(out, stdout_format, announced=report is None) as path:
        if compare:
            plot_weight_difference(first, compare, path, layers=layers, **options)
        elif filmstrip:
            plot_weight_filmstrip([first, *later], path, layer=layers[0] if layers else None, **options)
        else:
            options |= {"layers": layers, "normalize": drawn.normalize, "marks": not drawn.no_marks}
            known = measured if isinstance(measured, Report) else None
            plot_weights(weights=first, path=path, report=known, progress=announce, **options)
            clear()


def _check_output(out: str | None, report: str | None) -> None:
    if out is None and report is None:
        raise click.UsageError("Missing argument 'OUT'; it may be omitted only with --report.")
    if out == "-" and report is not None:
        raise click.UsageError("Give OUT a file; --report prints to standard output.")


def _check_figure(drawn: FigureOptions, compare: str | None, filmstrip: tuple[str, ...]) -> None:
    if compare and filmstrip:
        raise click.UsageError("Give --compare or --filmstrip, not both.")
    if filmstrip and len(drawn.layers) > 1:
        raise click.UsageError("A filmstrip shows one layer; give --layer once.")
    if (compare or filmstrip) and (drawn.normalize != "filter" or drawn.no_marks):
        raise click.UsageError("--normalize and --no-marks apply to one snapshot; omit them here.")


def _files(model: str, weights: str | None, out: str | None) -> tuple[str | None, str, str | None]:
    """Returns the model, or None for the net that the weights hold, the weights and OUT."""
    from cnnviz.plots.common.theme import FORMATS

    if out is None and weights and (weights == "-" or Path(weights).suffix[1:].lower() in FORMATS):
        weights, out = None, weights
    if weights is not None:
        return None if model == "-" else model, weights, out
    both = weights_of(model, None)
    if both is None:
        raise click.UsageError("Missing argument 'WEIGHTS'; MODEL is not a caffemodel that holds both.")
    return None, both, out
