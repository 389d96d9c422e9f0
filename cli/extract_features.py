"""cnnviz extract-features"""

from __future__ import annotations

import click

from cnnviz.cli._flags import gpu_device
from cnnviz.cli._options import (
    backend_option,
    db_type_argument,
    device_option,
    level_option,
    phase_option,
    stage_option,
)
from cnnviz.cli._progress import bar, say

SECTION = "Run and train"


@click.command()
@click.argument("weights")
@click.argument("model")
@click.argument("blobs")
@click.argument("outs")
@click.argument("batches", metavar="N", type=click.IntRange(1))
@db_type_argument
@click.argument(
    "mode", metavar="[CPU|GPU]", required=False, type=click.Choice(["CPU", "GPU"], case_sensitive=False)
)
@click.argument("device_id", metavar="[DEVICE_ID=N]", required=False)
@backend_option
@phase_option
@level_option
@stage_option
@device_option
def command(
    weights: str,
    model: str,
    blobs: str,
    outs: str,
    batches: int,
    db_type: str | None,
    mode: str | None,
    device_id: str | None,
    backend: str,
    phase: str | None,
    level: int,
    stages: tuple[str, ...],
    device: str | None,
) -> None:
    """Write blobs of a net to files, over batches of data.

    BLOBS and OUTS are names separated by commas, one output per blob: an .npz or .h5 file, otherwise a new
    database of float Datums. As in Caffe's tool, the kind of database may also be given last, followed by CPU
    or GPU and the index of the GPU.

    \b
    Example:
      cnnviz extract-features lenet.caffemodel train_val.prototxt ip1,prob ip1.npz,prob_lmdb 10
    """
    import cnnviz
    from cnnviz.analysis.extraction import extract_features
    from cnnviz.engine.device import get_device

    if mode == "GPU" and device is None:
        device = gpu_device((device_id or "0").rpartition("=")[2])
    net = cnnviz.Net(model, phase or "TEST", level, stages, weights, device=get_device(device), partial=True)
    try:
        count = extract_features(
            net, blobs.split(","), outs.split(","), batches, (db_type or backend).upper(), bar("Extracting")
        )
    finally:
        net.close()
    say(f"{outs}: {count} items.")
