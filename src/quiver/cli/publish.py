"""Commands for those who run a service: dumps as files, and files to deploy with."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from quiver.cli.main import LIBRARY, QUIET, WAIT, PathHere, main, settings_of
from quiver.cli.progress import ProgressDisplay
from quiver.publishing import publish

_DEPLOY = resources.files("quiver") / "deploy"
_FILES = ("quiver.service", "compose.yaml", "nginx.conf")


@main.command("publish")
@LIBRARY
@click.argument("folder", type=PathHere(path_type=Path, file_okay=False))
@click.option("--keep", type=click.IntRange(0), help="Releases that FOLDER keeps; 0 keeps all.")
@WAIT
@QUIET
@click.pass_context
def publish_command(
    context: click.Context, library: Path, folder: Path, keep: int | None, wait_s: float | None, quiet: bool
) -> None:
    """Write the dumps of LIBRARY to FOLDER, with checksums, descriptions and an index page, for any file server."""
    display = ProgressDisplay(quiet=quiet)
    done = publish(library, folder, keep=keep, settings=settings_of(context, wait_s=wait_s), progress=display)
    display.finish()
    for release_id in done.written:
        click.echo(f"wrote {release_id}")
    for release_id in done.removed:
        click.echo(f"removed {release_id}")
    click.echo(f"{folder} holds {len(done.releases)} releases; {done.current} is current")


@main.command("deploy")
@click.argument("name", type=click.Choice(_FILES), required=False)
def deploy_command(name: str | None) -> None:
    """Print a file to deploy with: NAME, or the names that there are."""
    if name is None:
        click.echo("\n".join(_FILES))
    else:
        click.echo((_DEPLOY / name).read_text(encoding="utf-8"), nl=False)
