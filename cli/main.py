"""Entry point of the ``cnnviz`` command: finds the commands by walking this folder.

A command is a module with a click command called ``command``; the file's name is the command's
name, with dashes for underscores. Modules import click only; heavy imports stand inside the
function, so that ``cnnviz --help`` is fast and works where no OpenCL is installed.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import click

import cnnviz
from cnnviz.errors import CnnvizError, did_you_mean

NOT_COMMANDS = {"main", "options", "progress"}


class CommandFolder(click.Group):
    """A click group whose commands are the modules of this folder."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        folder = importlib.import_module(__package__).__path__
        names = {module.name for module in pkgutil.iter_modules(folder) if not module.ispkg}
        return sorted(name.replace("_", "-") for name in names - NOT_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        return importlib.import_module(f"{__package__}.{name.replace('-', '_')}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}{did_you_mean(args[0], known)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=CommandFolder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(cnnviz.__version__, prog_name="cnnviz")
def cnnviz_command() -> None:
    """See inside convolutional networks.

    \b
    Example:
      cnnviz demo           train LeNet on real digits and look at a page of pictures
      cnnviz draw deploy.prototxt net.svg
    """


def main() -> None:
    """Runs the command line; errors on purpose become one line on stderr and exit code 1."""
    try:
        cnnviz_command.main(prog_name="cnnviz", standalone_mode=False)
    except CnnvizError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


if __name__ == "__main__":
    main()
