"""Releases: the only writer. Build (from records or plain RDF), add, remove, replace, rebase, publish, verify."""

from quiver.releases.build import BuildReport, build
from quiver.releases.gone import GoneTable
from quiver.releases.history import write_difference
from quiver.releases.increment import add, remove, replace
from quiver.releases.leases import Lease
from quiver.releases.library import Library, Pruned, Release
from quiver.releases.rdf import RdfFile, build_from_rdf
from quiver.releases.rebase import rebase
from quiver.releases.redaction import RedactionReport, look_for, redact
from quiver.releases.restoring import restore
from quiver.releases.verify import Verification, verify
from quiver.releases.workers import Progress, silent

__all__ = [
    "BuildReport",
    "GoneTable",
    "Lease",
    "Library",
    "Progress",
    "Pruned",
    "RdfFile",
    "RedactionReport",
    "Release",
    "Verification",
    "add",
    "build",
    "build_from_rdf",
    "look_for",
    "rebase",
    "redact",
    "remove",
    "replace",
    "restore",
    "silent",
    "verify",
    "write_difference",
]
