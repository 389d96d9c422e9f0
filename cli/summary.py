"""cnnviz summary"""

from __future__ import annotations

import click

from cnnviz.cli._options import StateOptions, form_options, model_argument, state_options
from cnnviz.cli._progress import say

SECTION = "Look"


@click.command()
@model_argument
@state_options
@form_options("Print JSON.", "Print CSV, one row per layer.")
def command(model: str, state: StateOptions, form: str | None) -> None:
    """Print the layers of a net with shapes and costs.

    MODEL is the prototxt of a net or a solver, or a caffemodel; "-" is standard input. Nothing is run, and
    OpenCL is not needed. Shown are shapes, parameters, MACs, memory and receptive fields. MACs
    (multiply-accumulate operations) and memory are those of one forward pass of the whole batch.

    \b
    Example:
      cnnviz summary lenet.prototxt
      cnnviz summary resnet50.prototxt --csv > resnet50.csv
    """
    from cnnviz.analysis.summary import summary_csv, summary_json, summary_text
    from cnnviz.api.summary import summarize_net

    summary = summarize_net(model, phase=state.phase, level=state.level, stages=state.stages)
    write = {"json": summary_json, "csv": summary_csv}.get(form or "", summary_text)
    say(write(summary).removesuffix("\n"))
