"""cnnviz image-mean"""

from __future__ import annotations

import click

from cnnviz.cli._options import FILE
from cnnviz.cli._progress import bar, say

SECTION = "Data"


@click.command()
@click.argument("database", type=FILE, metavar="DB")
@click.argument("out", type=FILE, required=False)
@click.option(
    "--backend",
    type=click.Choice(["lmdb", "leveldb"], case_sensitive=False),
    help="Kind of database. Default: detected.",
)
def command(database: str, out: str | None, backend: str | None) -> None:
    """Compute the mean image of a database.

    OUT is the mean file to write, .binaryproto, .npy or .mat; without it, only the means of the channels are
    printed.

    \b
    Example:
      cnnviz image-mean train_lmdb mean.binaryproto
    """
    from cnnviz.engine.data.imageset import database_mean
    from cnnviz.formats.binaryproto import check_extension, write_mean
    from cnnviz.formats.databases import open_database

    if out:
        check_extension(out)
    with open_database(database, backend and backend.upper()) as source:
        mean = database_mean(source, bar("Averaging"))
    if out:
        write_mean(out, mean)
    for channel, value in enumerate(mean.mean(axis=(1, 2), dtype="float64")):
        say(f"mean_value channel [{channel}]: {value:g}")
