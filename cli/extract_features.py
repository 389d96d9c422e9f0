"""cnnviz extract-features"""

from __future__ import annotations

import click

from cnnviz.cli._flags import gpu_device
from cnnviz.cli._options import (
    FILE,
    StateOptions,
    backend_option,
    db_type_argument,
    device_option,
    model_argument,
    state_options,
)
from cnnviz.cli._progress import bar, say

SECTION = "Run and train"


@click.command()
@model_argument
@click.argument("weights", type=FILE)
@click.argument("blobs")
@click.argument("outs")
@click.argument("batches", metavar="N", type=click.IntRange(1))
@db_type_argument
@click.argument(
    "mode", metavar="[CPU|GPU]", required=False, type=click.Choice(["CPU", "GPU"], case_sensitive=False)
)
@click.argument("device_id", metavar="[DEVICE_ID=N]", required=False)
@backend_option
@state_options
@device_option
def command(
    model: str,
    weights: str,
    blobs: str,
    outs: str,
    batches: int,
    state: StateOptions,
    device: str | None,
    **caffe,
) -> None:
    """Write blobs of a net to files, over batches of data.

    BLOBS and OUTS are names separated by commas, one output per blob: an .npz or .h5 file, otherwise a new
    database of float Datums. As in Caffe's tool, WEIGHTS may come before MODEL, and last the kind of
    database, then CPU or GPU and the index of the GPU.

    \b
    Example:
      cnnviz extract-features train_val.prototxt lenet.caffemodel ip1,prob ip1.npz,prob_lmdb 10
    """
    import cnnviz
    from cnnviz.analysis.extraction import extract_features
    from cnnviz.engine.device import get_device
    from cnnviz.formats.nets import holds_text

    if not holds_text(model) and holds_text(weights):
        model, weights = weights, model
    if caffe["mode"] == "GPU" and device is None:
        device = gpu_device((caffe["device_id"] or "0").rpartition("=")[2])
    kind = (caffe["db_type"] or caffe["backend"]).upper()
    options = {"device": get_device(device), "partial": True}
    net = cnnviz.Net(model, state.phase or "TEST", state.level, state.stages, weights, **options)
    try:
        count = extract_features(net, blobs.split(","), outs.split(","), batches, kind, bar("Extracting"))
    finally:
        net.close()
    say(f"{outs}: {count} items.")
