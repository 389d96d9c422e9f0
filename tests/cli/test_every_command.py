"""What holds for every command."""

from __future__ import annotations

import errno
import os
import re
import shlex
import subprocess
import sys
from unittest.mock import Mock

import click
import pytest
from click.testing import CliRunner

from cnnviz.cli.main import SECTIONS, cnnviz_command, main
from cnnviz.errors import CnnvizError

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


# Nets, weights, whatever else is read, what is written, and what only Caffe's own tools have after that.
FIRST, LAST = ["model solver", "weights"], ["out outs out_folder target", "batches db_type mode device_id"]
RANKS = {name: rank for rank, names in enumerate([*FIRST, "", *LAST]) for name in names.split()}


@pytest.mark.parametrize("name", COMMANDS)
def test_arguments_come_in_the_same_order_everywhere(name):
    params = cnnviz_command.get_command(None, name).params
    ranks = [RANKS.get(param.name, len(FIRST)) for param in params if isinstance(param, click.Argument)]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_that_are_files_are_completed_as_files(name):
    for param in cnnviz_command.get_command(None, name).params:
        is_text = param.name in ("chart_type", "blobs", "outs", "device_id")
        is_file = param.metavar in ("FILE", "DIR", "LOG", "STATE", "OTHER") or isinstance(
            param, click.Argument
        )
        if is_file and not is_text:
            assert isinstance(param.type, click.Path | click.Choice | click.IntRange), param.name


def first_screen() -> dict[str, list[str]]:
    """Returns the lines of each section of the first screen, on a terminal of 80 columns."""
    output = CliRunner().invoke(cnnviz_command, ["--help"], terminal_width=80).output
    parts = re.split(r"^(\S.*):\n", output, flags=re.MULTILINE)
    return {title: lines.splitlines() for title, lines in zip(parts[1::2], parts[2::2], strict=True)}


def test_the_first_screen_shows_every_command_once_in_its_section():
    screen = first_screen()
    shown = [line.split()[0] for section in SECTIONS for line in screen[section] if line]
    assert list(screen) == ["Options", *SECTIONS] and sorted(shown) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_line_of_each_help_is_short_enough_for_the_first_screen(name):
    first = cnnviz_command.get_command(None, name).help.splitlines()[0]
    assert len(first) <= 55 and first.endswith(".")
    lines = [line for section in SECTIONS for line in first_screen()[section]]
    assert f"  {name:16}  {first}" in lines


def modules_after(code: str) -> set[str]:
    code += "\nimport sys; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


def test_the_first_screen_imports_nothing_but_click_and_the_commands():
    help = "from cnnviz.cli.main import cnnviz_command\n"
    help += "cnnviz_command.main(['--help'], standalone_mode=False)"
    imported = modules_after(help) - modules_after("import click")
    own = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    others = {name for name in own if not name.startswith(("click.", "cnnviz.cli."))}
    assert others == {"cnnviz", "cnnviz.cli", "cnnviz.errors", "cnnviz.api", "cnnviz.api.report"}


def completed(line: str, folder) -> list[str]:
    """Returns what bash is offered for the last word of ``line``."""
    words = line.split(" ")
    variables = {"COMP_WORDS": line.rstrip(), "COMP_CWORD": str(len(words) - 1)}
    result = subprocess.run(
        [sys.executable, "-m", "cnnviz"],
        env={**os.environ, **variables, "_CNNVIZ_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.parametrize(
    "line, offered",
    [
        ("cnnviz ", [f"plain,{name}" for name in COMMANDS]),
        ("cnnviz su", ["plain,summary"]),
        ("cnnviz convert-i", ["plain,convert-imageset"]),
        ("cnnviz draw --ra", ["plain,--rankdir", "plain,--rates"]),
        ("cnnviz draw net.prototxt --layout ", ["plain,own", "plain,dot"]),
        ("cnnviz draw le", ["file,le"]),
        ("cnnviz features net.prototxt a.caffemodel pictures/", ["file,pictures/"]),
        ("cnnviz plot 6 loss.png --out lo", ["file,lo"]),
        ("cnnviz unknown x", []),
        ("cnnviz draw -gpu 0 -solver ", ["file,"]),
    ],
)
def test_a_shell_completes_commands_options_and_files(line, offered, tmp_path):
    assert completed(line, tmp_path) == offered


def test_the_script_for_the_shell_is_printed(tmp_path):
    result = run("_CNNVIZ_COMPLETE=bash_source cnnviz", tmp_path)
    assert "_CNNVIZ_COMPLETE=bash_complete" in result.stdout and result.stdout.rstrip().endswith(";")


NET = 'layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 } } }'


def run(command: str, folder) -> subprocess.CompletedProcess:
    """Runs a shell's line in which "cnnviz" is the command."""
    (folder / "net.prototxt").write_text(NET)
    line = command.replace("cnnviz", f"{shlex.quote(sys.executable)} -m cnnviz")
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=folder)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    ["summary net.prototxt", "devices", "draw net.prototxt a.svg", "draw net.prototxt -", "--help"],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_that_cannot_be_written(arguments, unbuffered, tmp_path):
    result = run(f"PYTHONUNBUFFERED={unbuffered} cnnviz {arguments} > /dev/full", tmp_path)
    assert result.stderr == "Error: standard output: cannot be written: no space left on device.\n"
    assert result.returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize(
    "command", ["cnnviz summary nix 2> /dev/full", "cnnviz summary net.prototxt > /dev/full 2>&1"]
)
def test_an_error_that_cannot_be_written_is_still_one(command, tmp_path):
    result = run(command, tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "")


def test_a_reader_that_closes_the_pipe_ends_the_command(tmp_path):
    result = run("cnnviz summary net.prototxt | true", tmp_path)
    assert result.stderr == ""


def test_characters_that_the_output_lacks_are_escaped(tmp_path):
    (tmp_path / "named.prototxt").write_text('name: "A網" ' + NET, encoding="utf-8")
    result = run("PYTHONIOENCODING=latin-1:strict cnnviz summary named.prototxt", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("A\\u7db2 (TEST)")


@pytest.mark.parametrize(
    "error, message",
    [
        (MemoryError(), "Error: this machine has too little memory left.\n"),
        (
            MemoryError("Unable to allocate 36.0 TiB"),
            "Error: this machine has too little memory left (Unable to allocate 36.0 TiB).\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/tmp/x"),
            "Error: /tmp/x: cannot be written: no space left on device.\n",
        ),
        (CnnvizError("net.prototxt: is empty."), "Error: net.prototxt: is empty.\n"),
    ],
)
def test_a_machine_at_its_limit_is_one_sentence(error, message, monkeypatch, capsys):
    monkeypatch.setattr(cnnviz_command, "main", Mock(side_effect=error))
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().err) == (1, message)


@pytest.mark.parametrize(
    "bug", [TypeError("a"), OSError(errno.ENOTDIR, "a"), RecursionError(), OverflowError()]
)
def test_a_bug_keeps_its_traceback(bug, monkeypatch):
    monkeypatch.setattr(cnnviz_command, "main", Mock(side_effect=bug))
    with pytest.raises(type(bug)):
        main()


def test_warnings_of_libraries_are_one_plain_line_each(capsys, monkeypatch):
    from cnnviz.cli import main

    monkeypatch.setattr(main, "_printed", set())
    for message, category in [
        ("odd\nvalue", UserWarning),
        ("odd value", UserWarning),
        ("Glyph 22810 (CJK) missing from font(s) Plain.", UserWarning),
        ("overflow encountered in exp", RuntimeWarning),
        ("will be removed", DeprecationWarning),
    ]:
        main._print_warning(message, category, "figure.py", 120)
    assert capsys.readouterr().err.splitlines() == [
        "Warning: odd value",
        "Warning: Some characters are in none of this machine's fonts and are shown as boxes.",
    ]
