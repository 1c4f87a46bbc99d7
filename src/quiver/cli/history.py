"""Commands about a library's past: diff, restore."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from quiver.cli.build import BASE
from quiver.cli.main import LIBRARY, QUIET, WAIT, PathHere, main, settings_of
from quiver.cli.progress import ProgressDisplay
from quiver.cli.query import compression_of, opened_output
from quiver.dumps import compressing
from quiver.manifest import PATCH_FORMS
from quiver.releases import Library, restore, write_difference


@main.command("diff")
@LIBRARY
@click.argument("before", metavar="A")
@click.argument("now", metavar="B")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(PATCH_FORMS)),
    default="patch",
    show_default=True,
    help="RDF Patch, or the added or the removed statements as N-Quads.",
)
@click.option("--output", type=PathHere(path_type=Path, dir_okay=False), help="Standard output by default.")
def diff_command(library: Path, before: str, now: str, form: str, output: Path | None) -> None:
    """Write what leads from release A of LIBRARY to release B; gzip or Zstandard where FILE ends in .gz or .zst.

    An RDF Patch, applied to A, gives B.
    """
    shelf = Library(library)
    with (
        shelf.reading(before) as first,
        shelf.reading(now) as second,
        tempfile.TemporaryDirectory(prefix="quiver-diff-") as scratch,
        opened_output(output) as stream,
        compressing(stream, compression_of(output)) as target,
    ):
        write_difference(first, second, form, target, Path(scratch) / "comparing")


@main.command("restore")
@LIBRARY
@click.argument("parts", nargs=-1, required=True, type=PathHere(path_type=Path, exists=True))
@BASE
@WAIT
@QUIET
@click.pass_context
def restore_command(
    context: click.Context,
    library: Path,
    parts: tuple[Path, ...],
    base: str | None,
    wait_s: float | None,
    quiet: bool,
) -> None:
    """Publish a release of LIBRARY that is made of PARTS: a release's folder, its parts/ alone, or a dump (.nq.gz).

    The base is read from the parts; --base is for plain RDF.
    """
    display = ProgressDisplay(quiet=quiet)
    release = restore(library, parts, base=base or "", settings=settings_of(context, wait_s=wait_s), progress=display)
    display.finish()
    click.echo(f"{release.manifest.quads:,} triples; release {release.id} with the base {release.base} is current")
