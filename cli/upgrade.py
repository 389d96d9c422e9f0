"""cnnviz upgrade"""

from __future__ import annotations

import click

from cnnviz.cli._progress import say

SECTION = "Files"


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
def command(source: str, target: str) -> None:
    """Update an old net, solver or caffemodel.

    IN is the prototxt of a net or a solver, or a binary caffemodel, of any age. OUT is the same kind of file
    in today's form, or for a caffemodel a .prototxt, which receives its net. Unknown fields are kept,
    comments are not.

    \b
    Example:
      cnnviz upgrade old_lenet.prototxt lenet.prototxt
      cnnviz upgrade old_lenet.caffemodel lenet.caffemodel
      cnnviz upgrade lenet.caffemodel lenet.prototxt
    """
    from cnnviz.formats.nets import holds_text, upgrade_file

    upgraded = upgrade_file(source, target)
    if upgraded:
        what = f"upgraded {', '.join(upgraded)}"
    elif holds_text(target) and not holds_text(source):
        what = f"the net of {source}"
    else:
        what = "already up to date"
    say(f"{target}: {what}.")
