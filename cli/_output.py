"""Where a command writes to: a file, or standard output for "-"."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from cnnviz.cli._progress import say


def format_option(*formats: str) -> Callable:
    """Returns the option for the format of standard output, the first of ``formats`` by default."""
    return click.option(
        "--format",
        "stdout_format",
        type=click.Choice(formats),
        help=f"Format of OUT, if that is - (standard output). Default: {formats[0]}.",
    )


@contextmanager
def output(
    out: str, stdout_format: str | None = None, default: str = "svg", announced: bool = True
) -> Iterator[str]:
    """Gives the path to write to and prints it in the end; what is written for "-" goes to standard output.

    Args:
        out: OUT as typed.
        stdout_format: the value of ``format_option``.
        default: the extension of what is written to standard output where that is not given.
        announced: whether the path is printed; not where the command prints something else.
    Raises:
        UsageError: a format is given for a file.
    """
    if out != "-":
        if stdout_format is not None:
            raise click.UsageError(f"--format is for OUT -; {out} has its format by its extension.")
        yield out
        if announced:
            say(f"Wrote {out}")
        return
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"stdout.{stdout_format or default}")
        yield path
        with open(path, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
