"""The command that writes a release to another SPARQL engine."""

from __future__ import annotations

from pathlib import Path

import click

from quiver.cli.main import LIBRARY, QUIET, main, settings_of
from quiver.cli.progress import ProgressDisplay
from quiver.releases import Library


@main.command("load")
@LIBRARY
@click.option("--endpoint", default=None, metavar="URL", help="The engine's SPARQL endpoint.")
@click.option("--graph", "endpoint_graph", default=None, metavar="IRI", help="Named graph there to write to.")
@click.option("--graph-store", default="", metavar="URL", help="Its Graph Store Protocol, where that is elsewhere.")
@click.option("--update", default="", metavar="URL", help="Its SPARQL Update, to be used instead.")
@click.option("--release", metavar="ID", help="Release to write; the current one by default.")
@click.option("--replace", is_flag=True, help="Remove first what its graph holds.")
@QUIET
@click.pass_context
def load_command(
    context: click.Context,
    /,
    library: Path,
    graph_store: str,
    update: str,
    release: str | None,
    replace: bool,
    quiet: bool,
    **flags: object,
) -> None:
    """Write a release of LIBRARY to the SPARQL engine at an endpoint, and verify it there by counts.

    A load that was stopped goes on where it was.
    """
    from quiver.engines import Target
    from quiver.engines.loading import load_release
    from quiver.engines.writing import EngineWriter

    settings = settings_of(context, **flags)
    target = Target.of(settings)
    if target is None:
        raise click.UsageError("--endpoint is missing (or the setting endpoint)")
    click.echo(f"The engine at {target.url}", err=True)
    shelf = Library(library)
    with shelf.reading(release) as wanted:
        writer = EngineWriter(target, wanted.id, wanted.base, update=update, graph_store=graph_store)
        place = f" into <{writer.graph}>" if writer.graph else ""
        click.echo(f"Release {wanted.id} to {writer.engine.name} by {writer.way}{place}", err=True)
        display = ProgressDisplay(quiet=quiet)
        report = load_release(shelf, wanted, writer, replace=replace, progress=display)
        display.finish()
    for fault in report.faults[:20]:
        click.echo(fault, err=True)
    if report.faults:
        click.echo(
            f"{len(report.faults)} faults: the engine does not hold release {wanted.id} as it is. "
            "`--replace` writes it anew.",
            err=True,
        )
        context.exit(1)
    click.echo(
        f"{wanted.id}: {report.quads:,} statements are there, {report.sent:,} sent now, "
        f"{report.there_before:,} before; counts by class agree, and so do {report.compared:,} that were compared"
    )
