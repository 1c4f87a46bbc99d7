"""Commands that ask and dump: query, dump."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from quiver.catalogue import load_catalogue
from quiver.cli.main import LIBRARY, QUIET, PathHere, main, settings_of
from quiver.cli.progress import ProgressDisplay
from quiver.dumps import DUMP_FORMATS, write_dump
from quiver.errors import BadRequest
from quiver.evaluation.local import QUERY_FORMATS, answer_locally
from quiver.releases import Library
from quiver.search import SearchIndex


@main.command("query")
@LIBRARY
@click.argument("query")
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE", help="Parameter of a named query.")
@click.option("--limit", type=click.IntRange(0), help="Rows of a named query that pages.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Rows of a named query to pass over.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(QUERY_FORMATS),
    help="tsv for solutions and ttl for graphs by default.",
)
@click.pass_context
def query_command(
    context: click.Context,
    library: Path,
    query: str,
    parameters: tuple[str, ...],
    limit: int | None,
    offset: int,
    format_name: str | None,
) -> None:
    """Answer QUERY from LIBRARY: SPARQL text, a file ending in .rq, or the name of a named query."""
    settings = settings_of(context)
    with Library(library).reading() as release:
        answer_locally(
            release.open_store(),
            _text(query, dict(_pair(parameter) for parameter in parameters), release.base, limit, offset),
            sys.stdout.buffer,
            format_name=format_name or "",
            allowed=settings.text("service_allow").split(),
            open_index=lambda: SearchIndex(release.search_path),
            base=release.base,
        )
    sys.stdout.buffer.flush()


def _text(query: str, values: dict[str, str], base: str, limit: int | None, offset: int) -> str:
    """The SPARQL text that *query* stands for."""
    catalogue = load_catalogue()
    names = {named.name for named in catalogue}
    if query in names or ("/" in query and " " not in query and not Path(query).exists() and not query.endswith(".rq")):
        return catalogue.get(query).bind(values, base, limit=limit, offset=offset).text
    if values:
        raise BadRequest("--param goes with a named query", value=values, hint="`quiver queries` lists them.")
    return Path(query).read_text(encoding="utf-8") if query.endswith(".rq") else query


def _pair(parameter: str) -> tuple[str, str]:
    name, equals, value = parameter.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{parameter!r} is not NAME=VALUE", param_hint="--param")
    return name, value


@main.command("dump")
@LIBRARY
@click.option("--format", "format_name", type=click.Choice(list(DUMP_FORMATS)), help="nq, or as --output ends.")
@click.option("--output", type=PathHere(path_type=Path, dir_okay=False), help="Standard output by default.")
@QUIET
def dump_command(library: Path, format_name: str | None, output: Path | None, quiet: bool) -> None:
    """Write the current release of LIBRARY in an RDF syntax; gzip or Zstandard where FILE ends in .gz or .zst."""
    compression = compression_of(output)
    endings = [ending for ending in output.suffixes if ending != f".{compression}"] if output else []
    if format_name is None:
        ending = endings[-1].removeprefix(".") if endings else ""
        format_name = ending if ending in DUMP_FORMATS else "nq"
    display = ProgressDisplay(quiet=quiet or output is None)
    with Library(library).reading() as release, opened_output(output) as stream:
        write_dump(
            release.part_paths,
            stream,
            format_name,
            compression=compression,
            advanced=lambda done: display("dump", done, 0),
        )
    display.finish()
    if output and not quiet:
        click.echo(f"{release.manifest.quads:,} triples of release {release.id} to {output}", err=True)


def compression_of(output: Path | None) -> str:
    """What a file of this name is compressed with: "gz", "zst", or nothing."""
    ending = output.suffix if output else ""
    return ending.removeprefix(".") if ending in (".gz", ".zst") else ""


@contextlib.contextmanager
def opened_output(output: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears under its name only when it is complete."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    partial = output.with_name(f".{output.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
