"""Entry point of the ``cnnviz`` command: finds the commands by walking this folder.

A command is a module with a click command called ``command`` and with its ``SECTION`` of the first
screen; the file's name is the command's name, with dashes for underscores. Names that begin with an
underscore are those of helpers. Modules import click only; heavy imports stand inside the function, so
that ``cnnviz --help`` is fast and works where no OpenCL is installed.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import pkgutil
import re
import sys
import warnings
from types import ModuleType
from typing import IO, NoReturn

import click

import cnnviz
from cnnviz.cli._flags import command_name, rewritten
from cnnviz.errors import CnnvizError, did_you_mean

SECTIONS = ("Look", "Run and train", "Data", "Files")
_NOT_FOR_USERS = (
    RuntimeWarning,
    DeprecationWarning,
    PendingDeprecationWarning,
    FutureWarning,
    ResourceWarning,
)
_printed: set[str] = set()  # warnings
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EROFS}
"""Errors of a full or broken disk, wherever they occur."""


class CommandFolder(click.Group):
    """A click group whose commands are the modules of this folder."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        folder = importlib.import_module(__package__).__path__
        names = {module.name for module in pkgutil.iter_modules(folder)} - {"main"}
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return _module(name).command if name in self.list_commands(ctx) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands by section, in columns that are as wide in each of them."""
        names = self.list_commands(ctx)
        width = max(map(len, names))
        rows: dict[str, list[tuple[str, str]]] = {section: [] for section in SECTIONS}
        for name in names:
            module = _module(name)
            line = module.command.get_short_help_str(formatter.width - width - 6)
            rows[module.SECTION].append((name.ljust(width), line))
        for section in SECTIONS:
            with formatter.section(section):
                formatter.write_dl(rows[section])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] == "caffe" and len(args) > 1:  # as every tutorial types it: caffe train
            args = args[1:]
        word = command_name(args[0])
        if ctx.resilient_parsing:  # for a shell that completes what is not finished yet
            return super().resolve_command(ctx, [word, *args[1:]])
        if word not in known and not args[0].startswith("-"):
            raise click.UsageError(f"unknown command {args[0]!r}{did_you_mean(args[0], known)}", ctx)
        name, command, rest = super().resolve_command(ctx, [word, *args[1:]])
        return name, command, rewritten(name, command, rest) if command else rest


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.{name.replace('-', '_')}")


@click.group(cls=CommandFolder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(cnnviz.__version__, prog_name="cnnviz")
def cnnviz_command() -> None:
    """See inside convolutional networks.

    \b
    Example:
      cnnviz demo           train LeNet on real digits and write a page about it
      cnnviz draw deploy.prototxt net.svg
    """


def main() -> None:
    """Runs the command line: an error of the user, a file or the machine becomes one line on stderr and
    exit code 1; a bug keeps its traceback.
    """
    _print_any_text()
    warnings.showwarning = _print_warning
    try:
        cnnviz_command.main(prog_name="cnnviz", standalone_mode=False)
    except CnnvizError as error:
        _fail(f"Error: {error}")
    except MemoryError as error:
        _fail(f"Error: this machine has too little memory left{_in_brackets(error)}.")
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        from cnnviz.formats.files import describe_os_error

        place = "standard output" if error.filename is None else error.filename
        _fail(f"Error: {place}: cannot be written: {describe_os_error(error)}.")
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        with contextlib.suppress(OSError, ValueError):
            error.show()
        _end(1)
    except (click.Abort, KeyboardInterrupt):
        _fail("Interrupted.", exit_code=130)


def _print_warning(message: Warning | str, category: type[Warning], *place: object) -> None:
    """Prints a library's warning in one plain line, once.

    Those of arithmetic are dropped, as values that are not finite are reported where they are shown, and so
    are those that only developers can act on.
    """
    text = " ".join(str(message).split())
    if re.match(r"Glyph .* missing from", text):
        text = "Some characters are in none of this machine's fonts and are shown as boxes."
    if not issubclass(category, _NOT_FOR_USERS) and text not in _printed:
        _printed.add(text)
        click.echo(f"Warning: {text}", err=True)


def _print_any_text() -> None:
    """Prints characters that the terminal's encoding lacks as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(message: str, exit_code: int = 1) -> NoReturn:
    """Ends the process with ``message`` on stderr, if that can be written."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(message, err=True)
    _end(exit_code)


def _end(exit_code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        _drop_what_cannot_be_written(stream)
    sys.exit(exit_code)


def _drop_what_cannot_be_written(stream: IO[str] | None) -> None:
    """Keeps Python from trying again at exit, and from reporting its failure in its own words."""
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _in_brackets(error: Exception) -> str:
    return f" ({error})" if str(error) else ""


if __name__ == "__main__":
    main()
