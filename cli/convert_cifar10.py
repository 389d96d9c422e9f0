"""cnnviz convert-cifar10"""

from __future__ import annotations

import click

from cnnviz.cli._options import FILE, backend_option, db_type_argument
from cnnviz.cli._progress import bar, say

SECTION = "Data"


@click.command()
@click.argument("in_folder", type=FILE)
@click.argument("out_folder", type=FILE)
@db_type_argument
@backend_option
def command(in_folder: str, out_folder: str, db_type: str | None, backend: str) -> None:
    """Convert CIFAR-10's files to databases.

    IN_FOLDER holds data_batch_1.bin to data_batch_5.bin and test_batch.bin; the databases cifar10_train_lmdb
    and cifar10_test_lmdb are written to OUT_FOLDER. The kind of database may also be given last, as in
    Caffe's tool.

    \b
    Example:
      cnnviz convert-cifar10 cifar-10-batches-bin/ databases/
    """
    from cnnviz.engine.data.imageset import convert_cifar10

    train, test = convert_cifar10(in_folder, out_folder, db_type or backend, bar("Converting"))
    say(f"{out_folder}: {train.count} training and {test.count} test images.")
