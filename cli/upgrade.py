"""cnnviz upgrade"""

from __future__ import annotations

import click


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
def command(source: str, target: str) -> None:
    """Write a net, solver or caffemodel of any age in today's form.

    IN is a prototxt of a net or a solver, or a binary caffemodel; OUT is the same kind of file. Fields
    that are unknown are kept; comments are not.

    \b
    Example:
      cnnviz upgrade old_lenet.prototxt lenet.prototxt
      cnnviz upgrade old_lenet.caffemodel lenet.caffemodel
    """
    from cnnviz.formats.caffemodel import upgrade_weights
    from cnnviz.formats.nets import holds_text
    from cnnviz.formats.prototxt import read_prototxt, write_prototxt

    if holds_text(source):
        definition = read_prototxt(source)
        write_prototxt(target, definition)
        upgraded = definition.upgraded
    else:
        upgraded = upgrade_weights(source, target)
    what = f"upgraded {', '.join(upgraded)}" if upgraded else "already up to date"
    click.echo(f"{target}: {what}.")
