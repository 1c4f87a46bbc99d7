"""The group of commands, and what all of them share: settings, errors, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from quiver import __version__
from quiver.config import Settings, load_settings
from quiver.errors import InvalidSetting, QuiverError
from quiver.storage import is_url
from quiver.telemetry import start_logging

Command = TypeVar("Command", bound=Callable[..., Any])


class PathHere(click.Path):
    """A path of this machine: an URL would be taken for a folder with a strange name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and is_url(value):
            self.fail(f"{value} is an URL; a path of this machine is needed.", param, ctx)
        return super().convert(value, param, ctx)


class _RecordFile(click.Path):
    """The path of a file that is there, or an URL as it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if isinstance(value, str) and is_url(value) else super().convert(value, param, ctx)


LIBRARY = click.argument("library", type=PathHere(path_type=Path, file_okay=False))
FILES = click.argument("files", nargs=-1, required=True, type=_RecordFile(path_type=Path, exists=True, dir_okay=False))
EXECUTOR = click.option(
    "--executor", metavar="ADDRESS", default=None, help="A Dask scheduler that reads and maps: dask:tcp://HOST:PORT."
)
SCRATCH = click.option(
    "--scratch", metavar="PLACE", default=None, help="Folder or URL, seen by its workers, where they hand over files."
)
WAIT = click.option(
    "--wait",
    "wait_s",
    type=float,
    metavar="SECONDS",
    default=None,
    help="Wait so long for another command that writes to the same place.",
)
QUIET = click.option("--quiet", "-q", is_flag=True, help="Say nothing of progress.")


class _Group(click.Group):
    """Turns our errors into one clear message and exit code 1 (2 for a setting: that is usage)."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except QuiverError as error:
            click.echo(f"Error: {error.message}", err=True)
            if error.hint:
                click.echo(f"  {error.hint}", err=True)
            context.exit(2 if isinstance(error, InvalidSetting) else 1)
        except BrokenPipeError:
            # The reader of our output left; say no more, not even at the interpreter's end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(1)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            click.echo(f"Error: {place}{error.strerror or error}", err=True)
            context.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="quiver")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Settings file (TOML). QUIVER_NAME variables and flags go before it.",
)
@click.pass_context
def main(context: click.Context, config: Path | None) -> None:
    """Quiver: records of research papers as a linked-data knowledge graph, served."""
    context.obj = config


def settings_of(context: click.Context, **flags: object) -> Settings:
    """The settings in force for one command: file, environment, then the flags that were given."""
    settings = load_settings(context.find_root().obj, flags=flags)
    start_logging(settings.text("log_level"))
    return settings


# The modules register their commands on `main` when they are imported.
from quiver.cli import build, change, history, inspect, load, publish, query, redact, serve  # noqa: E402

__all__ = [
    "build",
    "change",
    "history",
    "inspect",
    "load",
    "main",
    "publish",
    "query",
    "redact",
    "serve",
    "settings_of",
]
