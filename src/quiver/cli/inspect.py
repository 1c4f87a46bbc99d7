"""Commands that look: validate, verify, formats, queries, settings."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from quiver.catalogue import load_catalogue
from quiver.cli.main import LIBRARY, QUIET, PathHere, main, settings_of
from quiver.cli.progress import ProgressDisplay
from quiver.config import SETTINGS
from quiver.dumps import DUMP_FORMATS
from quiver.readers import READERS
from quiver.releases import Library, verify
from quiver.releases.redactions import list_path, read_list


@main.command("verify")
@LIBRARY
@click.option("--release", metavar="ID", help="Release to check; the current one by default.")
@QUIET
@click.pass_context
def verify_command(context: click.Context, library: Path, release: str | None, quiet: bool) -> None:
    """Check every file of a release of LIBRARY by checksum, and its store and parts by count and hash."""
    display = ProgressDisplay(quiet=quiet)
    with Library(library).reading(release) as wanted:
        result = verify(wanted, display)
    display.finish()
    for fault in result.faults:
        click.echo(fault, err=True)
    kept = read_list(list_path(library))
    if kept is not None and kept.pending:
        click.echo("a redaction was begun and not ended: run `quiver redact` with its file again", err=True)
        context.exit(1)
    if not result.sound:
        click.echo(f"{result.release_id}: {len(result.faults)} faults", err=True)
        context.exit(1)
    click.echo(f"{result.release_id}: {result.files:,} files and {result.quads:,} triples are as they were published")


def _say_rejected(message: str) -> None:
    click.echo(f"Not taken, so not checked: {message}", err=True)


@main.command("validate")
@click.argument("target", type=PathHere(path_type=Path, exists=True))
@click.option("--rdf", is_flag=True, help="Print the report as Turtle (sh:ValidationReport).")
@QUIET
@click.pass_context
def validate_command(context: click.Context, target: Path, rdf: bool, quiet: bool) -> None:
    """Check TARGET (a library, a file of records, or an RDF file) against the SHACL shapes.

    Exit code 1 where it does not conform.
    """
    # Here, so that other commands start without rdflib.
    from quiver.convert import load_for_validation
    from quiver.validation import load_shapes, validate_store

    settings = settings_of(context)
    display = ProgressDisplay(quiet=quiet)
    with contextlib.ExitStack() as held:
        store = (
            held.enter_context(Library(target).reading()).open_store()
            if target.is_dir()
            else load_for_validation(target, settings, _say_rejected)
        )
        report = validate_store(store, load_shapes(), progress=lambda done, total: display("shapes", done, total))
    display.finish()
    click.echo(report.to_rdf() if rdf else report.to_text())
    if not report.conforms:
        context.exit(1)


@main.command("formats")
def formats_command() -> None:
    """List the formats that are read and written."""
    click.echo("Read:")
    for reader in READERS:
        click.echo(f"  {reader.name:<8} {reader.title} ({', '.join(reader.endings)}; also .gz .zst .bz2 .xz)")
    click.echo("Written by `quiver dump`, plain, or compressed where FILE ends in .gz or .zst:")
    for dump_format in DUMP_FORMATS.values():
        click.echo(f"  {dump_format.name:<8} {dump_format.label}")


@main.command("queries")
def queries_command() -> None:
    """List the named queries with their parameters."""
    for query in load_catalogue():
        parameters = " ".join(f"--param {parameter.name}=..." for parameter in query.parameters)
        click.echo(f"{query.name:<32} {query.title}" + (f"  [{parameters}]" if parameters else ""))


@main.command("settings")
@click.pass_context
def settings_command(context: click.Context) -> None:
    """List the settings: name, value in force, unit, variable and meaning."""
    values = settings_of(context)
    for setting in SETTINGS:
        value = "(set)" if setting.secret and values[setting.name] else repr(values[setting.name])
        click.echo(f"{setting.name} = {value}  ({setting.unit}; {setting.variable})")
        click.echo(f"    {setting.help}")
