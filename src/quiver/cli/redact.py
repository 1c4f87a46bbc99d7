"""The command that takes something out for good: redact."""

from __future__ import annotations

from pathlib import Path

import click

from quiver.cli.main import LIBRARY, QUIET, WAIT, PathHere, main, settings_of
from quiver.cli.progress import ProgressDisplay
from quiver.identifiers import Minter
from quiver.releases import RedactionReport, look_for, redact

_SHOWN = 20


@main.command("redact")
@LIBRARY
@click.argument("file", type=PathHere(path_type=Path, exists=True, dir_okay=False))
@click.option("--check", is_flag=True, help="Change nothing; look through all of LIBRARY and say what is left.")
@WAIT
@QUIET
@click.pass_context
def redact_command(
    context: click.Context, library: Path, file: Path, check: bool, wait_s: float | None, quiet: bool
) -> None:
    """Take out of LIBRARY for good what FILE names: papers, names, texts.

    A new release without them is made and looked through; then every other release is removed.
    """
    settings = settings_of(context, wait_s=wait_s)
    display = ProgressDisplay(quiet=quiet)
    if check:
        report = look_for(library, file, progress=display)
        display.finish()
        for trace, count in report.findings.traces.items():
            click.echo(f"{trace.place}: {trace.entry} ({count:,})")
        _say_longer(report)
        if report.findings.traces:
            click.echo(f"Error: found in {len(report.findings.traces):,} places", err=True)
            context.exit(1)
        click.echo(f"nothing is left in {report.findings.files:,} files")
        return
    report = redact(library, file, settings=settings, progress=display)
    display.finish()
    if report.refiled.others:
        click.echo("These have the title of a paper that was taken out, and stay:")
        for paper in report.refiled.others[:_SHOWN]:
            click.echo(f"  {Minter(report.release.base).paper(paper.source, paper.key)}")
    _say_longer(report)
    for removed in report.removed:
        click.echo(f"removed {removed}")
    for engine in report.engines:
        click.echo(f"{engine} may still hold it: run `quiver load --replace` again")
    click.echo(
        f"{report.refiled.changed:,} records redacted, {report.refiled.refused:,} of them refused;"
        f" nothing is left in {report.findings.files:,} files; {report.seconds:.1f} s;"
        f" release {report.release.id} is current"
    )


def _say_longer(report: RedactionReport) -> None:
    longer = report.findings.longer
    if longer:
        click.echo("These names contain one that is taken out, and stay as names of others:")
        for name, count in sorted(longer.items())[:_SHOWN]:
            click.echo(f"  {name} ({count:,})")
        if len(longer) > _SHOWN:
            click.echo(f"  ... and {len(longer) - _SHOWN:,} more")
