"""Commands that change what a library holds: add, remove, replace."""

from __future__ import annotations

from pathlib import Path

import click

from quiver.cli.build import FORMAT, SOURCE, print_report
from quiver.cli.main import EXECUTOR, FILES, LIBRARY, QUIET, SCRATCH, WAIT, main, settings_of
from quiver.cli.progress import ProgressDisplay
from quiver.releases import add, remove, replace
from quiver.storage import Location


@main.command("add")
@LIBRARY
@FILES
@FORMAT
@SOURCE
@EXECUTOR
@SCRATCH
@WAIT
@QUIET
@click.pass_context
def add_command(
    context: click.Context,
    library: Path,
    files: tuple[Location, ...],
    format_name: str | None,
    source: str,
    executor: str | None,
    scratch: str | None,
    wait_s: float | None,
    quiet: bool,
) -> None:
    """Add the records of FILES to LIBRARY: a new release, exactly as a build of all records would be."""
    display = ProgressDisplay(quiet=quiet)
    settings = settings_of(context, executor=executor, scratch=scratch, wait_s=wait_s)
    report = add(library, files, format_name=format_name or "", source=source, settings=settings, progress=display)
    display.finish()
    print_report(report)


@main.command("remove")
@LIBRARY
@click.argument("source")
@WAIT
@QUIET
@click.pass_context
def remove_command(context: click.Context, library: Path, source: str, wait_s: float | None, quiet: bool) -> None:
    """Take all records of SOURCE out of LIBRARY, and what was derived from them alone: a new release."""
    display = ProgressDisplay(quiet=quiet)
    report = remove(library, source, settings=settings_of(context, wait_s=wait_s), progress=display)
    display.finish()
    manifest = report.release.manifest
    click.echo(
        f"{source} is removed; {manifest.quads:,} triples in {report.seconds:.1f} s; release {manifest.id} is current"
    )


@main.command("replace")
@LIBRARY
@click.argument("source")
@FILES
@FORMAT
@EXECUTOR
@SCRATCH
@WAIT
@QUIET
@click.pass_context
def replace_command(
    context: click.Context,
    library: Path,
    source: str,
    files: tuple[Location, ...],
    format_name: str | None,
    executor: str | None,
    scratch: str | None,
    wait_s: float | None,
    quiet: bool,
) -> None:
    """Put the records of FILES in the place of all that SOURCE has in LIBRARY: a new release."""
    display = ProgressDisplay(quiet=quiet)
    settings = settings_of(context, executor=executor, scratch=scratch, wait_s=wait_s)
    report = replace(library, source, files, format_name=format_name or "", settings=settings, progress=display)
    display.finish()
    print_report(report)
