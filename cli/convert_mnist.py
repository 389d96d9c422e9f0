"""cnnviz convert-mnist"""

from __future__ import annotations

import click

from cnnviz.cli._options import FILE, backend_option
from cnnviz.cli._progress import bar, say

SECTION = "Data"


@click.command()
@click.argument("images", type=FILE)
@click.argument("labels", type=FILE)
@click.argument("database", type=FILE, metavar="DB")
@backend_option
def command(images: str, labels: str, database: str, backend: str) -> None:
    """Convert MNIST's files to a database.

    IMAGES and LABELS are idx files, gzipped or not; DB is the database to write.

    \b
    Example:
      cnnviz convert-mnist train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz mnist_train_lmdb
    """
    from cnnviz.engine.data.imageset import convert_mnist

    done = convert_mnist(images, labels, database, backend, bar("Converting"))
    say(f"{database}: {done.count} images.")
