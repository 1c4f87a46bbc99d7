"""Kept answers carried to the next release: what they would be if asked anew, or not carried at all."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pyoxigraph as ox
import pytest

from quiver.catalogue import NamedQuery, carry_local, carry_sum, read_rows, result_path, run, serialise
from quiver.catalogue.queries import parse_query
from quiver.errors import InvalidQueryFile

BASE = "http://x/"
HEADER = '#+ title = "T"\n#+ summary = "S."\n#+ materialise = true\n'
TOP = (
    HEADER
    + '#+ columns = ["thing iri", "weight integer"]\n#+ local = 3\n'
    + "SELECT ?thing ?weight WHERE { ?thing <http://x/weight> ?weight } ORDER BY DESC(?weight) ?thing LIMIT 3\n"
)
COUNT = (
    HEADER
    + '#+ columns = ["weight integer", "things integer"]\n#+ sum = ["things"]\n'
    + "SELECT ?weight (COUNT(?t) AS ?things) WHERE { ?t <http://x/weight> ?weight } GROUP BY ?weight ORDER BY ?weight\n"
)


def query(text: str) -> NamedQuery:
    return parse_query("area/name", text, Path("name.rq"))


def store_of(weights: dict[int, int]) -> ox.Store:
    store = ox.Store()
    for thing, weight in weights.items():
        store.add(ox.Quad(ox.NamedNode(f"http://x/{thing:03}"), ox.NamedNode("http://x/weight"), ox.Literal(weight)))
    return store


def kept(store: ox.Store, named: NamedQuery, folder: Path) -> None:
    result_path(folder, named).write_bytes(serialise(run(store, named.bind({}, BASE)), "json"))


def changed_weights(rows: random.Random, before: dict[int, int]) -> dict[int, int]:
    after = dict(before)
    for _ in range(rows.randint(0, 4)):
        thing = rows.randrange(12)
        if rows.random() < 0.4:
            after.pop(thing, None)
        else:
            after[thing] = rows.randint(1, 9)
    return after


def test_a_list_of_the_first_is_carried_exactly_or_not_at_all(tmp_path: Path) -> None:
    named, carried = query(TOP), 0
    for seed in range(300):
        rows = random.Random(seed)
        before = {thing: rows.randint(1, 9) for thing in rows.sample(range(12), rows.randint(0, 9))}
        after = changed_weights(rows, before)
        kept(store_of(before), named, tmp_path)
        former = read_rows(tmp_path, named)
        assert former is not None
        changed = {thing for thing in before.keys() | after.keys() if before.get(thing) != after.get(thing)}
        iris = {f"http://x/{thing:03}" for thing in changed}

        def documents(asked: set[str], changed: set[int] = changed, after: dict[int, int] = after) -> ox.Store:
            numbers = changed | {int(iri[-3:]) for iri in asked}
            return store_of({thing: weight for thing, weight in after.items() if thing in numbers})

        answer = carry_local(named, former, iris, documents, BASE)
        if answer is not None:
            carried += 1
            expected = serialise(run(store_of(after), named.bind({}, BASE)), "json")
            assert msgspec.json.decode(answer) == msgspec.json.decode(expected), seed
    assert carried > 200


def test_counts_are_added_and_taken_off(tmp_path: Path) -> None:
    named = query(COUNT)
    for seed in range(100):
        rows = random.Random(seed)
        before = {thing: rows.randint(1, 4) for thing in rows.sample(range(12), rows.randint(0, 9))}
        after = changed_weights(rows, before)
        kept(store_of(before), named, tmp_path)
        former = read_rows(tmp_path, named)
        assert former is not None
        gone = store_of({thing: weight for thing, weight in before.items() if after.get(thing) != weight})
        came = store_of({thing: weight for thing, weight in after.items() if before.get(thing) != weight})
        answer = carry_sum(named, former, gone, came, BASE)
        assert answer is not None
        expected = serialise(run(store_of(after), named.bind({}, BASE)), "json")
        assert msgspec.json.decode(answer) == msgspec.json.decode(expected)


def test_a_query_without_a_kept_answer_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path, query(TOP)) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('#+ sum = ["nothing"]\n', "no integer column"),
        ("#+ local = -1\n", "most rows"),
        ('#+ sum = ["n"]\n#+ local = 3\n', "goes without sum"),
    ],
)
def test_a_header_that_cannot_be_carried_is_an_error(line: str, message: str) -> None:
    text = HEADER + '#+ columns = ["n integer"]\n' + line + "SELECT (1 AS ?n) WHERE {} ORDER BY ?n\n"
    with pytest.raises(InvalidQueryFile, match=message):
        query(text)
    with pytest.raises(InvalidQueryFile, match="about a materialised answer"):
        query(text.replace("materialise = true", "materialise = false").replace(line, "#+ local = 3\n"))
