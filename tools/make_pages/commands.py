"""Makes docs/commands.md from the help texts."""

from __future__ import annotations

import click

from cnnviz.cli.main import cnnviz_command

INTRODUCTION = """# Commands

Made from the help texts by `python3 dev.py docs`.

**Files** are given in the same order everywhere: MODEL, WEIGHTS, what else is read, then what is written,
OUT. `features` has `--out` instead, as it may read many images, and `gallery` and `plot` take either; `plot`
has OUT before its logs, as Caffe's script has. `test`, `time` and `train` also take Caffe's flags `-model`,
`-weights` and `-solver`, and every option may be typed in Caffe's way: `-gpu 0`, `--resize_width=256`.

**`-`** is standard input where a prototxt or a log is read, and standard output where a figure, a page, a
table or a prototxt is written, in the format that `--format` selects. Nothing else is printed then:

```
cnnviz upgrade old.prototxt - | cnnviz draw - - --format png > net.png
ssh gpu cat train.log | cnnviz plot train-loss loss.png -
```

**Errors** are one line on standard error with exit status 1; nothing half written is left.

**Completion** of commands, options and file names is set up by one line in the shell's own file:

```
eval "$(_CNNVIZ_COMPLETE=bash_source cnnviz)"    # in ~/.bashrc
eval "$(_CNNVIZ_COMPLETE=zsh_source cnnviz)"     # in ~/.zshrc
_CNNVIZ_COMPLETE=fish_source cnnviz | source     # in ~/.config/fish/config.fish
```
"""


def page() -> str:
    """Returns the command reference: the help of each command."""
    parts = [INTRODUCTION]
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
