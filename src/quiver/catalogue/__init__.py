"""The catalogue: every question that pages, the API and the editor ask is a documented `.rq` file.

A file is valid SPARQL with a header of `#+` comment lines whose body is TOML. `load_catalogue` finds and checks the
files, `NamedQuery.bind` takes typed parameters, `evaluate` answers, `materialise` keeps the answers that need a scan.
"""

from quiver.catalogue.answers import (
    Answer,
    Cell,
    evaluate,
    materialise,
    read_materialised,
    result_path,
    run,
    serialise,
    serialise_materialised,
)
from quiver.catalogue.carrying import carry, read_rows
from quiver.catalogue.collection import Catalogue, load_catalogue, read_query
from quiver.catalogue.headers import Column, Parameter
from quiver.catalogue.queries import BoundQuery, NamedQuery
from quiver.catalogue.surroundings import Change

__all__ = [
    "Answer",
    "BoundQuery",
    "Catalogue",
    "Cell",
    "Change",
    "Column",
    "NamedQuery",
    "Parameter",
    "carry",
    "evaluate",
    "load_catalogue",
    "materialise",
    "read_materialised",
    "read_query",
    "read_rows",
    "result_path",
    "run",
    "serialise",
    "serialise_materialised",
]
