"""The command line of `./portal`: a group that loads a command when it is called, and errors in one sentence."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from core import __version__
from core.settings import SettingsError

COMMANDS = {
    "activity": "core.cli.activity:activity",
    "backup": "core.cli.keeping:backup",
    "check": "core.cli.process:check",
    "conformance": "core.cli.conformance:conformance",
    "demo": "core.cli.process:demo",
    "fleet": "core.cli.fleet:fleet",
    "keys": "core.cli.vendor:keys",
    "mail": "core.cli.process:mail",
    "organizations": "core.cli.vendor:organizations",
    "products": "core.cli.vendor:products",
    "restore": "core.cli.keeping:restore",
    "run": "core.cli.process:run",
    "signing-key": "core.cli.programs:signing_key",
    "stations": "core.cli.programs:stations",
    "users": "core.cli.vendor:users",
    "worker": "core.cli.process:worker",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for: models cost a second, `--version` none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="portal", message="%(version)s")
def cli() -> None:
    """The customer portal: serve it, and do the vendor's work from a terminal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what a person did wrong is one sentence on standard error."""
    # Whatever a command makes holds people's data, also where the folder it lies in is open to others.
    os.umask(0o077)
    try:
        result = cli.main(arguments, prog_name="portal", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        # Whoever read our output has enough; Python's own last flush must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        click.echo(sentence, err=True)
        return getattr(error, "exit_code", 1)


def sentence_of(error: Exception) -> str | None:
    """What to say of an error; None when it is a fault of the program."""
    if isinstance(error, click.UsageError):
        return f"{_one_line(error.format_message())} `./portal --help` lists the commands."
    if isinstance(error, click.ClickException):
        return _one_line(error.format_message())
    if isinstance(error, SettingsError) or _is_loaded(error, "core.errors", "RuleBroken"):
        return _one_line(str(error))
    if _is_loaded(error, "sqlalchemy.exc", "OperationalError"):
        return f"The database cannot be used: {_one_line(str(getattr(error, 'orig', error)))}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'The system'}: {error.strerror}."
    return None


def _is_loaded(error: Exception, module: str, name: str) -> bool:
    # Compared without importing: a command that never loaded the module cannot have raised its error.
    kind: Any = getattr(sys.modules.get(module), name, ())
    return isinstance(error, kind)


def _one_line(text: str) -> str:
    # What was typed cannot steer the terminal.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
