"""Commands that serve: serve, demo."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from quiver.cli.build import print_report
from quiver.cli.main import LIBRARY, main, settings_of
from quiver.cli.progress import ProgressDisplay
from quiver.config import bundled
from quiver.engines import EndpointReader, Target
from quiver.errors import QuiverError
from quiver.releases import Library, build

_LOCAL = ("127.0.0.1", "localhost", "::1")
DEMO_FILES = ("andrew-zhao.txt", "papers.jsonl")


@main.command("serve")
@LIBRARY
@click.option("--host", default=None, help="Address to bind; 127.0.0.1 by default.")
@click.option("--port", type=int, default=None, help="Port to bind; 8000 by default.")
@click.option("--endpoint", default=None, metavar="URL", help="SPARQL endpoint that holds the release and answers.")
@click.option("--graph", "endpoint_graph", default=None, metavar="IRI", help="Named graph there that holds it.")
@click.option("--workers", "web_workers", type=int, default=None, help="Web processes.")
@click.option("--query-workers", type=int, default=None, help="Processes that evaluate SPARQL.")
@click.option("--timeout", "query_timeout_s", type=float, default=None, help="Deadline of a query, in seconds.")
@click.pass_context
def serve_command(context: click.Context, /, library: Path, **flags: object) -> None:
    """Serve LIBRARY: pages, linked data, SPARQL, dumps. New releases are picked up without a restart."""
    settings = settings_of(context, **flags)
    release = Library(library).current()
    host = settings.text("host")
    if host not in _LOCAL and any(f"//{local}" in release.base for local in ("localhost", "127.", "[::1]")):
        click.echo(
            f"Warning: the release's IRIs begin with {release.base}, which nobody else can reach, but {host} is served."
            " `quiver rebase LIBRARY IRI` gives it a public base.",
            err=True,
        )
    if target := Target.of(settings):
        try:
            EndpointReader(target, release.manifest)
        except QuiverError as error:
            # It may be about to start; pages say the same until it answers.
            click.echo(f"Warning: {error.message} {error.hint}".rstrip(), err=True)
    # Here, so that commands which do not serve start without the web.
    from quiver.web.server import run_server

    click.echo(f"Serving release {release.id} on http://{host}:{settings.integer('port')}/")
    run_server(library, settings)


@main.command("demo")
@click.option("--port", type=int, default=None, help="Port to bind; 8000 by default.")
@click.option("--host", default=None, help="Address to bind; 127.0.0.1 by default.")
@click.pass_context
def demo_command(context: click.Context, /, **flags: object) -> None:
    """Build the bundled example into a temporary library and serve it."""
    from quiver.web.server import run_server

    settings = settings_of(context, **flags)
    address = f"http://{settings.text('host')}:{settings.integer('port')}/"
    settings = settings.replace(base=f"http://localhost:{settings.integer('port')}/")
    with tempfile.TemporaryDirectory(prefix="quiver-demo-") as folder:
        library = Path(folder) / "library"
        display = ProgressDisplay()
        report = build(library, [bundled("data") / name for name in DEMO_FILES], settings=settings, progress=display)
        display.finish()
        print_report(report)
        click.echo(f"\nServing on {address} (Ctrl-C ends it). Two things to try:")
        click.echo(f"  {address}name/andrew_zhao")
        click.echo(f"  curl -H 'Accept: text/turtle' -L {address}venue/neurips/2025")
        run_server(library, settings)
