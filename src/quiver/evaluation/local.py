"""A query answered in this process, for the command line: no deadline, the same rules for SERVICE and updates."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import BinaryIO, Final

import pyoxigraph

from quiver.catalogue import BoundQuery
from quiver.errors import NotAcceptable
from quiver.evaluation.faults import explain_failure, explain_syntax_error
from quiver.evaluation.inspection import AnswerSearch, admit, no_text_index
from quiver.evaluation.results import GRAPH_FORMATS, RESULT_FORMATS
from quiver.evaluation.text_search import answer_search_block
from quiver.namespaces import PREFIXES
from quiver.search import SearchIndex

# A text index is opened only for a query that asks it.
OpenIndex = Callable[[], SearchIndex]

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
    open_index: OpenIndex | None = None,
    base: str = "",
) -> None:
    """Write the answer of the query *text* to *output*, as TSV or Turtle where no format is named (by extension).

    *open_index* gives the text index for SERVICE q:search, and *base* begins the IRIs of what is found there.

    Raises:
        MalformedQuery, UpdateRefused, QueryRefused: as the endpoint would.
        NotAcceptable: the format does not fit the kind of the result.
    """
    admitted = admit(text, allowed, answer_search=_search_of(text, open_index, base))
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


def answer_searches(bound: BoundQuery, open_index: OpenIndex, base: str) -> BoundQuery:
    """*bound* with each SERVICE q:search in it answered, so that it can be run; most have none.

    Raises:
        MalformedQuery, QueryRefused: the file of the query holds a search or another SERVICE that is not allowed.
    """
    if not bound.searches:
        return bound
    text = admit(bound.text, (), answer_search=_search_of(bound.text, open_index, base)).text
    return replace(bound, text=text, searches=False)


def _search_of(text: str, open_index: OpenIndex | None, base: str) -> AnswerSearch:
    if open_index is None:
        return no_text_index
    return lambda block: answer_search_block(block, open_index(), base, text)


def _unfit(what: str, format_name: str, known: Collection[str]) -> NotAcceptable:
    return NotAcceptable(
        f"the result is {what}, which {format_name} does not hold", value=format_name, hint=f"Use {', '.join(known)}."
    )
