"""cnnviz upgrade"""

from __future__ import annotations

import click

from cnnviz.cli._options import FILE
from cnnviz.cli._output import output
from cnnviz.cli._progress import say

SECTION = "Files"


@click.command()
@click.argument("source", type=FILE, metavar="IN")
@click.argument("target", type=FILE, metavar="OUT")
def command(source: str, target: str) -> None:
    """Update an old net, solver or caffemodel.

    IN is the prototxt of a net or a solver, or a binary caffemodel, of any age. OUT is the same kind of file
    in today's form, or for a caffemodel a .prototxt, which receives its net. "-" is standard input or output,
    for a prototxt. Unknown fields are kept, comments are not.

    \b
    Example:
      cnnviz upgrade old_lenet.prototxt lenet.prototxt
      cnnviz upgrade old_lenet.caffemodel lenet.caffemodel
      cnnviz upgrade lenet.caffemodel lenet.prototxt
    """
    from cnnviz.formats.nets import holds_text, upgrade_file

    if target == "-":
        with output(target, default="prototxt") as path:
            upgrade_file(source, path)
        return
    upgraded = upgrade_file(source, target)
    if upgraded:
        done = f"upgraded {', '.join(upgraded)}"
    elif holds_text(target) and not holds_text(source):
        done = f"the net of {source}"
    else:
        done = "already up to date"
    say(f"{target}: {done}.")
