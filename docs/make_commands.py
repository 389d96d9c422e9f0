"""Writes docs/commands.md from the help texts: python docs/make_commands.py"""

from __future__ import annotations

from pathlib import Path

import click

from cnnviz.cli.main import cnnviz_command


def reference() -> str:
    """Returns the command reference: the help of each command."""
    parts = ["# Commands\n\nMade from the help texts by `docs/make_commands.py`.\n"]
    group = click.Context(
        cnnviz_command,
        info_name="cnnviz",
        terminal_width=100,
        max_content_width=100,
        **cnnviz_command.context_settings,
    )
    for name in cnnviz_command.list_commands(group):
        command = cnnviz_command.get_command(group, name)
        context = click.Context(command, parent=group, info_name=name)
        parts.append(f"## cnnviz {name}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "commands.md").write_text(reference(), encoding="utf-8")
