"""Commands about a library's past: diff."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from quiver.cli.main import LIBRARY, main
from quiver.cli.query import compression_of, opened_output
from quiver.dumps import compressing
from quiver.manifest import PATCH_FORMS
from quiver.releases import Library, write_difference


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
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Standard output by default.")
def diff_command(library: Path, before: str, now: str, form: str, output: Path | None) -> None:
    """Write what leads from release A of LIBRARY to release B; gzip or Zstandard where FILE ends in .gz or .zst.

    An RDF Patch, applied to A, gives B.
    """
    shelf = Library(library)
    first, second = shelf.release(before), shelf.release(now)
    with (
        tempfile.TemporaryDirectory(prefix="quiver-diff-") as scratch,
        opened_output(output) as stream,
        compressing(stream, compression_of(output)) as target,
    ):
        write_difference(first, second, form, target, Path(scratch) / "comparing")
