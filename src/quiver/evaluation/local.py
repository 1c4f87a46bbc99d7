"""A query answered in this process, for the command line: no deadline, the same rules for SERVICE and updates."""

from __future__ import annotations

from collections.abc import Collection
from typing import BinaryIO, Final

import pyoxigraph

from quiver.errors import NotAcceptable
from quiver.evaluation.faults import explain_failure, explain_syntax_error
from quiver.evaluation.inspection import admit
from quiver.evaluation.results import GRAPH_FORMATS, RESULT_FORMATS
from quiver.namespaces import PREFIXES

_RESULTS: Final = RESULT_FORMATS
_GRAPHS: Final = {form.file_extension: form for form in GRAPH_FORMATS.values()}
# The formats that `answer_locally` writes, by extension, those of solutions first.
QUERY_FORMATS: Final[tuple[str, ...]] = (*_RESULTS, *_GRAPHS)


def answer_locally(
    store: pyoxigraph.Store,
    text: str,
    output: BinaryIO,
    *,
    format_name: str = "",
    allowed: Collection[str] = (),
) -> None:
    """Write the answer of the query *text* to *output*, as TSV or Turtle where no format is named (by extension).

    Raises:
        MalformedQuery, UpdateRefused, QueryRefused: as the endpoint would.
        NotAcceptable: the format does not fit the kind of the result.
    """
    admitted = admit(text, allowed)
    try:
        result = store.query(admitted.text)
    except SyntaxError as error:
        raise explain_syntax_error(error, text, admitted, store.query) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise explain_failure(error, text) from error
    if isinstance(result, pyoxigraph.QueryTriples):
        graph_format = _GRAPHS.get(format_name or "ttl")
        if graph_format is None:
            raise _unfit("a graph", format_name, _GRAPHS)
        pyoxigraph.serialize(result, output, graph_format, prefixes=PREFIXES)
        return
    results_format = _RESULTS.get(format_name or ("json" if isinstance(result, pyoxigraph.QueryBoolean) else "tsv"))
    if results_format is None:
        raise _unfit("a table", format_name, _RESULTS)
    result.serialize(output, results_format)


def _unfit(what: str, format_name: str, known: Collection[str]) -> NotAcceptable:
    return NotAcceptable(
        f"the result is {what}, which {format_name} does not hold", value=format_name, hint=f"Use {', '.join(known)}."
    )
