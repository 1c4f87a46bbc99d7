"""Releases: the only writer. Build (from records, or from plain RDF), rebase, publish, roll back, prune, verify."""

from quiver.releases.build import BuildReport, build
from quiver.releases.library import Library, Release
from quiver.releases.rdf import RdfFile, build_from_rdf
from quiver.releases.rebase import rebase
from quiver.releases.verify import Verification, verify
from quiver.releases.workers import Progress, silent

__all__ = [
    "BuildReport",
    "Library",
    "Progress",
    "RdfFile",
    "Release",
    "Verification",
    "build",
    "build_from_rdf",
    "rebase",
    "silent",
    "verify",
]
