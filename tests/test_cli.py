"""What holds for every command."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from cnnviz.cli.main import cnnviz_command

COMMANDS = cnnviz_command.list_commands(None)


def test_the_promised_commands_are_there():
    promised = {"draw", "weights", "features", "plot", "gallery", "train", "test", "time", "devices", "demo"}
    assert promised <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example(name):
    result = CliRunner().invoke(cnnviz_command, [name, "--help"])
    assert result.exit_code == 0
    example = result.output.split("Example:")
    assert len(example) == 2 and f"cnnviz {name}" in example[1], result.output
