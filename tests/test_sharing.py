"""What several queries ask in the same words: found whatever the layout, asked once, and the answers are the same."""

from __future__ import annotations

import pyoxigraph as ox
import pytest

from quiver.catalogue import load_catalogue
from quiver.catalogue import sharing as sharing_module
from quiver.catalogue.sharing import asks_any, shared_subqueries, solutions_of, with_solutions

LIST = """PREFIX ex: <http://x/>
SELECT ?thing ?parts WHERE {
  { SELECT ?thing (COUNT(?part) AS ?parts)
    WHERE { ?thing ex:has ?part }  # all "{ SELECT" of it
    GROUP BY ?thing
    HAVING (COUNT(?part) > 1)
  }
} ORDER BY ?thing"""
COUNT = """PREFIX ex: <http://x/>
SELECT (COUNT(?thing) AS ?things) WHERE {
  { SELECT ?thing (COUNT(?part) AS ?parts) WHERE {
      ?thing ex:has ?part
  } GROUP BY ?thing HAVING (COUNT(?part) > 1) }
  FILTER(STR(?thing) != "} {")
}"""
WORDS = (
    "SELECT ?thing ( COUNT ( ?part ) AS ?parts ) WHERE { ?thing ex:has ?part }"
    " GROUP BY ?thing HAVING ( COUNT ( ?part ) > 1 )"
)


def store_of(parts: dict[str, int]) -> ox.Store:
    store = ox.Store()
    for thing, count in parts.items():
        for part in range(count):
            store.add(ox.Quad(ox.NamedNode(f"http://x/{thing}"), ox.NamedNode("http://x/has"), ox.Literal(part)))
    return store


def answer(store: ox.Store, text: str) -> list[tuple[object, ...]]:
    result = store.query(text)
    assert isinstance(result, ox.QuerySolutions)
    return [tuple(row) for row in result]


@pytest.mark.parametrize("parts", [{}, {"a": 1}, {"a": 2, "b": 1, "c": 3}])
def test_solutions_stand_for_the_subquery(parts: dict[str, int]) -> None:
    store = store_of(parts)
    shared = shared_subqueries([LIST, COUNT])
    assert list(shared) == [WORDS]
    assert asks_any(LIST, shared)
    assert not asks_any("SELECT * WHERE { ?thing ex:has ?part }", shared)
    values = solutions_of(store, shared[WORDS])
    assert values is not None
    for text in (LIST, COUNT):
        changed = with_solutions(text, {WORDS: values})
        assert "ex:has" not in changed
        assert answer(store, changed) == answer(store, text)


def test_what_stands_once_or_gives_all_of_many_is_left() -> None:
    assert shared_subqueries([LIST]) == {}
    plain = "SELECT ?a WHERE { { SELECT ?a WHERE { ?a ?b ?c } } }"
    assert shared_subqueries([plain, plain]) == {}
    assert with_solutions(LIST, {}) == LIST


def test_of_a_shared_one_in_another_only_the_outer_is_asked() -> None:
    outer = LIST.replace("{ ?thing ex:has ?part }", "{ { SELECT ?thing ?part WHERE { ?thing ex:has ?part } LIMIT 9 } }")
    shared = shared_subqueries([outer, outer])
    assert len(shared) == 1
    assert next(iter(shared)).startswith("SELECT ?thing ( COUNT")


def test_a_shared_one_in_several_others_is_asked_before_them() -> None:
    inner = "{ SELECT ?thing WHERE { ?thing ex:has ?part } GROUP BY ?thing HAVING (COUNT(*) > 1) }"
    outer = {
        compared: LIST.replace("WHERE { ?thing ex:has ?part }", f"WHERE {{ {inner} ?thing ex:has ?part }}").replace(
            "> 1)\n", f"{compared} 2)\n"
        )
        for compared in (">", "=")
    }
    texts = [*outer.values(), *outer.values()]
    shared = shared_subqueries(texts)
    assert len(shared) == 3
    store = store_of({"a": 2, "b": 1, "c": 3})
    solutions: dict[str, str] = {}
    for words, query in shared.items():
        asked = with_solutions(query, solutions)
        assert asked.count("VALUES") == bool(solutions)
        values = solutions_of(store, asked)
        assert values is not None
        solutions[words] = values
    several = next(iter(solutions.values()))
    assert "a>" in several
    assert "b>" not in several
    for text in texts:
        assert with_solutions(text, solutions).count("VALUES") == 1
        assert answer(store, with_solutions(text, solutions)) == answer(store, text) != []


def test_too_many_solutions_are_not_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of({"a": 2, "b": 2})
    query = shared_subqueries([LIST, COUNT])[WORDS]
    monkeypatch.setattr(sharing_module, "_MOST_ROWS", 2)
    assert solutions_of(store, query) is not None
    monkeypatch.setattr(sharing_module, "_MOST_ROWS", 1)
    assert solutions_of(store, query) is None


def test_the_overview_of_quality_counts_what_the_lists_find() -> None:
    texts = {query.name: query.bind({}, "http://x/").text for query in load_catalogue() if query.materialise}
    shared = shared_subqueries(texts.values())
    for name in ("duplicate-titles", "titles-in-several-sources", "repeated-name-on-byline"):
        mine = with_solutions(texts[f"quality/{name}"], dict.fromkeys(shared, "VALUES"))
        assert mine != texts[f"quality/{name}"]
    titles = "SELECT ?stated_title WHERE { ?any dcterms:title ?stated_title }"
    assert [words.startswith(titles) for words in shared] == [True, *(False for _ in list(shared)[1:])]
    overview = with_solutions(texts["quality/overview"], dict.fromkeys(shared, "VALUES"))
    assert overview.count("VALUES") == len(shared) - 1
