"""SHACL over a release or a file, by SPARQL: shapes are read once, each constraint becomes one SELECT for the engine.

pySHACL walks every focus node in Python, which does not do for millions of them. See `quiver.validation.shapes` for the
part of SHACL that is understood; anything beyond it is an error.
"""

from quiver.validation.engine import Progress, validate_store
from quiver.validation.model import Severity, Shape, Shapes
from quiver.validation.report import Report, Result
from quiver.validation.shapes import load_shapes, read_shapes

__all__ = [
    "Progress",
    "Report",
    "Result",
    "Severity",
    "Shape",
    "Shapes",
    "load_shapes",
    "read_shapes",
    "validate_store",
]
