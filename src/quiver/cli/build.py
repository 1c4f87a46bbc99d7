"""Commands that make releases: build, rebase, releases; and convert, which makes none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from quiver.cli.main import EXECUTOR, FILES, LIBRARY, QUIET, SCRATCH, WAIT, main, settings_of
from quiver.cli.progress import ProgressDisplay
from quiver.config import Settings
from quiver.convert import convert_files, convert_records
from quiver.errors import QuiverError
from quiver.identifiers import normalise_base
from quiver.manifest import Manifest
from quiver.readers import READERS, checked_source
from quiver.releases import BuildReport, Library, build, rebase
from quiver.storage import Location


def _usage(check: Callable[[str], str]) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """*check* as a callback of a parameter: what it refuses is wrong usage."""

    def callback(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
        try:
            return check(value) if value else value
        except QuiverError as error:
            raise click.BadParameter(f"{error.message}. {error.hint}", context, parameter) from None

    return callback


FORMAT = click.option(
    "--format",
    "format_name",
    type=click.Choice([reader.name for reader in READERS]),
    default=None,
    help="Reader to use (`quiver formats`).",
)
SOURCE = click.option(
    "--source",
    metavar="SLUG",
    default="",
    callback=_usage(checked_source),
    help="Name of the source that the files come from.",
)
BASE = click.option(
    "--base",
    metavar="IRI",
    default=None,
    callback=_usage(normalise_base),
    help="Base of the IRIs that are minted; ends in a slash.",
)
_MESSAGES_SHOWN = 20


def print_report(report: BuildReport) -> None:
    """Say what a build took, what it did not, and what came of it."""
    for message in report.messages[:_MESSAGES_SHOWN]:
        click.echo(f"Not taken: {message}", err=True)
    if report.counts.rejected > len(report.messages[:_MESSAGES_SHOWN]):
        click.echo(f"Rejected in all: {report.counts.rejected:,}.", err=True)
    for path in report.rejects:
        click.echo(f"Rejects are written to {path}", err=True)
    counts = report.counts
    click.echo(
        f"{counts.read:,} records read = {counts.accepted:,} accepted + {counts.duplicate:,} duplicate"
        f" + {counts.rejected:,} rejected"
        + (f" ({counts.pages:,} of the accepted are cluster pages)" if counts.pages else "")
    )
    manifest = report.release.manifest
    rate = manifest.quads / report.seconds if report.seconds else 0
    click.echo(
        f"{manifest.quads:,} triples in {report.seconds:.1f} s ({rate:,.0f} a second); release {manifest.id} is current"
    )


@main.command("build")
@LIBRARY
@FILES
@BASE
@FORMAT
@SOURCE
@click.option("--strict", is_flag=True, help="Publish nothing if any record is rejected.")
@click.option("--jobs", type=int, default=None, help="Processes that read and map; 0 is one for each core.")
@EXECUTOR
@SCRATCH
@WAIT
@QUIET
@click.pass_context
def build_command(
    context: click.Context,
    library: Path,
    files: tuple[Location, ...],
    base: str | None,
    format_name: str | None,
    source: str,
    strict: bool,
    jobs: int | None,
    executor: str | None,
    scratch: str | None,
    wait_s: float | None,
    quiet: bool,
) -> None:
    """Build a release of LIBRARY from record FILES (paths, or URLs) and publish it."""
    settings = settings_of(context, base=base, jobs=jobs, executor=executor, scratch=scratch, wait_s=wait_s)
    display = ProgressDisplay(quiet=quiet)
    report = build(
        library,
        files,
        format_name=format_name or "",
        source=source,
        strict=strict,
        settings=settings,
        progress=display,
    )
    display.finish()
    print_report(report)


@main.command("rebase")
@LIBRARY
@click.argument("iri", callback=_usage(normalise_base))
@WAIT
@QUIET
@click.pass_context
def rebase_command(context: click.Context, library: Path, iri: str, wait_s: float | None, quiet: bool) -> None:
    """Publish the current release of LIBRARY again with IRI as the base of its own IRIs."""
    display = ProgressDisplay(quiet=quiet)
    release = rebase(library, iri, settings=settings_of(context, wait_s=wait_s), progress=display)
    display.finish()
    click.echo(f"release {release.id} with the base {release.base} is current")


@main.command("releases")
@LIBRARY
@click.option("--rollback", metavar="ID", help="Make this release the current one.")
@click.option("--keep", type=click.IntRange(1), help="Remove the oldest releases until this many are left.")
@WAIT
@click.pass_context
def releases_command(
    context: click.Context, library: Path, rollback: str | None, keep: int | None, wait_s: float | None
) -> None:
    """List the releases of LIBRARY, go back to one, or remove old ones."""
    settings = settings_of(context, wait_s=wait_s)
    wait_s = settings.number("wait_s")
    shelf = Library(library)
    if rollback:
        click.echo(f"release {shelf.roll_back(rollback, wait_s=wait_s).id} is current")
    if keep:
        pruned = shelf.prune(keep, grace_s=settings.number("release_grace_s"), wait_s=wait_s)
        for removed in pruned.removed:
            click.echo(f"removed {removed}")
        for read in pruned.read:
            click.echo(f"{read} is being read, and stays until the next time")
        for recent in pruned.recent:
            click.echo(f"{recent} was current until a moment ago (release_grace_s), and stays until the next time")
    if rollback or keep:
        return
    current = shelf.current_id()
    if current is None:
        shelf.current()
    for release_id in shelf.ids():
        mark = "*" if release_id == current else " "
        try:
            click.echo(f"{mark} {_release_line(shelf.release(release_id).manifest)}")
        except QuiverError as error:
            # One that does not open is listed all the same, beside those that one can go back to.
            click.echo(f"{mark} {release_id}  {error.code}: {error.message}")


def _release_line(manifest: Manifest) -> str:
    papers = manifest.counts.get("papers", 0)
    return f"{manifest.id}  {papers:>11,} papers  {manifest.quads:>13,} triples  {manifest.base}"


@main.command("convert")
@FILES
@BASE
@FORMAT
@SOURCE
@click.option(
    "--to", type=click.Choice(["nq", "jsonl"]), default="nq", show_default=True, help="N-Quads, or JSON Lines records."
)
@click.option(
    "--output", metavar="PLACE", help="Folder or URL for one compressed file an input, instead of one stream."
)
@EXECUTOR
@QUIET
@click.pass_context
def convert_command(
    context: click.Context,
    files: tuple[Location, ...],
    base: str | None,
    format_name: str | None,
    source: str,
    to: str,
    output: str | None,
    executor: str | None,
    quiet: bool,
) -> None:
    """Write the records of FILES (paths, or URLs) to standard output or into a folder, without a store.

    N-Quads are those of each record as it stands: nothing is derived, and duplicates are not settled.
    """
    settings = settings_of(context, base=base, executor=executor)
    if output is None:
        if executor:
            raise click.UsageError("--executor needs --output: its workers write files.")
        _convert_to_standard_output(context, files, to, settings, format_name or "", source)
        return
    display = ProgressDisplay(quiet=quiet)
    done = convert_files(
        files,
        output,
        to,
        settings=settings,
        format_name=format_name or "",
        source=source,
        progress=display,
    )
    display.finish()
    for message in [message for one in done for message in one.messages][:_MESSAGES_SHOWN]:
        click.echo(f"Not taken: {message}", err=True)
    rejected = sum(one.rejected for one in done)
    click.echo(f"{sum(one.records for one in done):,} records in {len(done):,} files; {rejected:,} rejected")
    if rejected:
        context.exit(1)


def _convert_to_standard_output(
    context: click.Context, files: tuple[Location, ...], to: str, settings: Settings, format_name: str, source: str
) -> None:
    output = sys.stdout.buffer
    rejected = 0
    for piece in convert_records(files, to, settings=settings, format_name=format_name, source=source):
        if isinstance(piece, bytes):
            output.write(piece)
        else:
            rejected += 1
            click.echo(f"Not taken: {piece}", err=True)
    output.flush()
    if rejected:
        context.exit(1)
