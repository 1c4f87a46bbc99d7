"""Kept answers carried to the next release: what they would be if asked anew, or not carried at all."""

from __future__ import annotations

import random
import re
from pathlib import Path

import msgspec
import pyoxigraph as ox
import pytest

from quiver.catalogue import Change, NamedQuery, carry, load_catalogue, read_rows, result_path, run, serialise
from quiver.catalogue.queries import parse_query
from quiver.errors import InvalidQueryFile
from quiver.namespaces import sparql_prologue, term

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


def change_of(before: ox.Store, after: ox.Store, ground: frozenset[str] = frozenset()) -> Change:
    """What differs between two stores, by document."""
    was, now = documents_of(before), documents_of(after)
    changed = {iri for iri in was.keys() | now.keys() if was.get(iri) != now.get(iri)}
    gone, came = ox.Store(), ox.Store()
    for store, documents in ((gone, was), (came, now)):
        for iri in changed & documents.keys():
            store.extend(documents[iri])
    return Change(after, gone, came, frozenset(changed), BASE, ground)


def documents_of(store: ox.Store) -> dict[str, set[ox.Quad]]:
    documents: dict[str, set[ox.Quad]] = {}
    for quad in store:
        assert isinstance(quad.subject, ox.NamedNode)
        documents.setdefault(quad.subject.value.partition("#")[0], set()).add(quad)
    return documents


def carried(
    named: NamedQuery, before: ox.Store, after: ox.Store, folder: Path, ground: frozenset[str] = frozenset()
) -> bool:
    """Whether the answer of *named* is carried; if so, it is the one that it gives."""
    kept(before, named, folder)
    former = read_rows(folder, named)
    assert former is not None
    answer = carry(named, former, change_of(before, after, ground))
    if answer is not None:
        expected = serialise(run(after, named.bind({}, BASE)), "json")
        assert msgspec.json.decode(answer) == msgspec.json.decode(expected)
    return answer is not None


def test_a_list_of_the_first_is_carried_exactly_or_not_at_all(tmp_path: Path) -> None:
    named, count = query(TOP), 0
    for seed in range(300):
        rows = random.Random(seed)
        before = {thing: rows.randint(1, 9) for thing in rows.sample(range(12), rows.randint(0, 9))}
        after = changed_weights(rows, before)
        count += carried(named, store_of(before), store_of(after), tmp_path)
    assert count > 200


def test_counts_are_added_and_taken_off(tmp_path: Path) -> None:
    named = query(COUNT)
    for seed in range(100):
        rows = random.Random(seed)
        before = {thing: rows.randint(1, 4) for thing in rows.sample(range(12), rows.randint(0, 9))}
        assert carried(named, store_of(before), store_of(changed_weights(rows, before)), tmp_path)


def random_papers(rows: random.Random) -> dict[int, list[tuple[str, str]]]:
    """Papers as lists of what is said of each."""
    return {paper: random_paper(rows) for paper in rows.sample(range(14), rows.randint(0, 12))}


def random_paper(rows: random.Random) -> list[tuple[str, str]]:
    title = rows.choice("abcdef")
    said = [
        ("rdf:type", "q:Paper"),
        ("dcterms:title", f'"{title}"'),
        ("rdfs:label", f'"{title}{rows.choice("xyz")}"'),
        ("prov:hadPrimarySource", f"source/{rows.choice('st')}/file"),
    ]
    clusters = [rows.choice("klmn") for _ in range(rows.randint(0, 3))]
    said.append(("q:authorCount", str(len(clusters))))
    said.extend(("dc:creator", f'"{name}"') for name in sorted(set(clusters)))
    for ordinal, cluster in enumerate(clusters):
        said.append(("q:hasSignature", f"#a{ordinal}"))
        said.append((f"#a{ordinal} q:authorRow", f"author/{rows.choice('uvwxyz')}"))
        said.append((f"#a{ordinal} q:inNameCluster", f"name/{cluster}"))
        if rows.random() < 0.5:
            said.append((f"#a{ordinal} dblp:signatureOrcid", f"<https://orcid.org/{rows.choice('123')}>"))
    return said


def graph_of(papers: dict[int, list[tuple[str, str]]]) -> ox.Store:
    """The papers and what they name; clusters and sources differ with what there is of them, as derived ones do."""
    store = ox.Store()
    lines = []
    for number, said in papers.items():
        for what, value in said:
            fragment, _, name = what.rpartition(" ")
            lines.append((f"{BASE}paper/{number}{fragment}", name, value.replace("#", f"paper/{number}#")))
    for value in sorted({value for said in papers.values() for _, value in said}):
        count = sum((what, value) in said for said in papers.values() for what in dict(said))
        if value.startswith(("author/", "name/")):
            lines.append((BASE + value, "rdfs:label", f'"{value} {count % 2}"'))
        if value.startswith("author/"):
            lines.append((BASE + value, "q:ofSource", "source/s"))
            if (clusters := len(clusters_of(value, papers))) > 1:
                lines.append((BASE + value, "q:nameClusterCount", str(clusters)))
        if value.startswith("name/"):
            lines.append((BASE + value, "q:paperCount", str(count)))
        if value.startswith("source/"):
            source = value.removesuffix("/file")
            lines.append((BASE + value, "q:ofSource", source))
            lines.append((BASE + source, "dcat:distribution", value))
            lines.append((BASE + source, "q:paperCount", str(count // 3)))
    for subject, name, value in lines:
        text = value if value[0] in '"<' or value[0].isdigit() or ":" in value else f"<{BASE}{value}>"
        store.update(f"{sparql_prologue()} INSERT DATA {{ <{subject}> {name} {text} }}")
    return store


def clusters_of(row: str, papers: dict[int, list[tuple[str, str]]]) -> set[str]:
    found: set[str] = set()
    for said in papers.values():
        entries = {what.split()[0] for what, value in said if value == row}
        found.update(value for what, value in said if what.endswith("inNameCluster") and what.split()[0] in entries)
    return found


CARRIED = [query.name for query in load_catalogue() if query.sum or query.local]


@pytest.mark.parametrize("name", CARRIED)
def test_the_queries_of_the_catalogue_are_carried_exactly_or_not_at_all(name: str, tmp_path: Path) -> None:
    whole = load_catalogue().get(name)
    # With a limit that is reached.
    named = query(re.sub(r"(LIMIT|local =) (50|100|1000)\n", r"\1 4\n", whole.text))
    ground = frozenset(f"{BASE}source/{one}{file}" for one in "st" for file in ("", "/file"))
    count = 0
    for seed in range(80):
        rows = random.Random(seed)
        before = random_papers(rows)
        after = {paper: said for paper, said in before.items() if rows.random() < 0.9}
        after.update({paper: random_paper(rows) for paper in rows.sample(range(14), rows.randint(0, 3))})
        count += carried(named, graph_of(before), graph_of(after), tmp_path, ground)
    assert count > 50


CHAIN = (
    HEADER
    + '#+ columns = ["thing iri", "same integer", "next iri"]\n#+ local = 30\n#+ groups = ["q:weight"]\n'
    + "PREFIX q: <https://w3id.org/quiver/ontology#>\n"
    + "SELECT ?thing ?same ?next WHERE { ?thing q:weight ?weight ; q:next ?next .\n"
    + "{ SELECT ?weight (COUNT(?other) AS ?same) WHERE { ?other q:weight ?weight } GROUP BY ?weight } }\n"
    + "ORDER BY DESC(?same) ?thing LIMIT 30\n"
)


def chain_of(things: dict[int, tuple[int, int]]) -> ox.Store:
    """Things with a weight, each of which names another."""
    store = ox.Store()
    for thing, (weight, following) in things.items():
        node = ox.NamedNode(f"{BASE}{thing:03}")
        store.add(ox.Quad(node, ox.NamedNode(term("q:weight")), ox.Literal(weight)))
        store.add(ox.Quad(node, ox.NamedNode(term("q:next")), ox.NamedNode(f"{BASE}{following:03}")))
    return store


def test_a_group_of_which_only_one_is_named_is_not_taken_for_all_of_it(tmp_path: Path) -> None:
    named, count = query(CHAIN), 0
    for seed in range(150):
        rows = random.Random(seed)
        before = {thing: (rows.randint(1, 4), rows.randrange(12)) for thing in range(rows.randint(4, 12))}
        after = {thing: known for thing, known in before.items() if rows.random() < 0.95}
        after.update({rows.randrange(12): (rows.randint(1, 4), rows.randrange(12))})
        count += carried(named, chain_of(before), chain_of(after), tmp_path)
    assert count > 60


def test_a_query_without_a_kept_answer_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path, query(TOP)) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('#+ sum = ["nothing"]\n', "no integer column"),
        ("#+ local = -1\n", "most rows"),
        ('#+ sum = ["n"]\n#+ local = 3\n', "goes without sum"),
        ('#+ groups = ["q:year"]\n', "go with one of them"),
        ('#+ sum = ["n"]\n#+ groups = ["q:year"]\n', "of which the query does not speak"),
        ('#+ sum = ["n"]\n#+ groups = ["nothing:year"]\n', "unknown prefix"),
    ],
)
def test_a_header_that_cannot_be_carried_is_an_error(line: str, message: str) -> None:
    text = HEADER + '#+ columns = ["n integer"]\n' + line + "SELECT (1 AS ?n) WHERE {} ORDER BY ?n\n"
    with pytest.raises(InvalidQueryFile, match=message):
        query(text)
    with pytest.raises(InvalidQueryFile, match="about a materialised answer"):
        query(text.replace("materialise = true", "materialise = false").replace(line, "#+ local = 3\n"))
