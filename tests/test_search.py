"""The text index: what is found, in which order, counted how; and that a published index is left as it is."""

from __future__ import annotations

import gzip
import itertools
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.errors import DamagedRelease, InvalidParameter, InvalidSearch
from quiver.search import Facets, SearchDocument, SearchIndex, write_index

MEMORY = 20_000_000


def paper(key: str, label: str, **fields: object) -> SearchDocument:
    return msgspec.convert({"path": f"paper/x/{key}", "kind": "paper", "label": label, **fields}, Loose).document()


class Loose(msgspec.Struct):
    """A document with fields left out."""

    path: str
    kind: str
    label: str
    text: str = ""
    names: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    year: int | None = None
    identifiers: tuple[str, ...] = ()

    def document(self) -> SearchDocument:
        return SearchDocument(
            self.path,
            self.kind,
            self.label,
            self.text,
            self.names,
            self.venues,
            self.year,
            0,
            self.identifiers,
        )


def name(label: str, weight: int) -> SearchDocument:
    return SearchDocument(f"name/{label.lower().replace(' ', '_')}", "name", label, weight=weight)


def venue(label: str, weight: int) -> SearchDocument:
    return SearchDocument(f"venue/{label.lower()}", "venue", label, weight=weight)


DOCUMENTS = (
    paper(
        "attention",
        "Attention Is All You Need",
        text="The dominant sequence models are based on recurrent networks. We propose the Transformer.",
        names=["Ashish Vaswani", "Noam Shazeer"],
        venues=["NeurIPS"],
        year=2017,
        identifiers=["10.1000/ATTN"],
    ),
    paper(
        "kernels",
        "Learning with Kernels",
        names=["Bernhard Schölkopf", "Alexander Smola"],
        venues=["NeurIPS", "ICML"],
        year=2002,
    ),
    paper("folded", "Causal Learning", names=["Bernhard Scholkopf"], venues=["ICML"], year=2021),
    paper("haipeng", "Oblivious Counterfactuals", names=["Haipeng Zhang", "Wei Li"], year=2024, venues=["ICML"]),
    paper("about", "On Haipeng Zhang", text="Haipeng Zhang and the Haipeng Zhang problem.", year=2023),
    paper("crossed", "Unrelated", names=["Haipeng Luo", "Xi Zhang"], year=2022),
    paper("undated", "A Large Language Model", text="Pre-training at scale."),
    paper("models", "Large Language Models for Code", names=["李伟"], year=2023, venues=["ACL"]),
    paper("wei", "Deep Graphs", names=["Wei Chen", "Bo Li"], year=2020, venues=["ACL"]),
    paper("zebra", "zebra crossing", year=2020),
    paper("angstrom", "Ångström Units", year=2020),
    name("Haipeng Zhang", 3),
    name("Haipeng Zhang 0006", 250),
    name("Haipeng Xu Zhang", 40),
    name("Bernhard Schölkopf", 20),
    name("Bernhard Scholkopf", 30),
    name("李伟", 7),
    name("Wei Li", 90),
    venue("NeurIPS", 2),
    venue("ICML", 3),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "index"
    assert write_index(DOCUMENTS, folder, memory_bytes=MEMORY) == len(DOCUMENTS)
    return folder


@pytest.fixture(scope="module")
def index(folder: Path) -> SearchIndex:
    return SearchIndex(folder)


def labels(index: SearchIndex, text: str, **options: str) -> list[str]:
    return [hit.label for hit in index.search(text, kind=options.get("kind"), venue=options.get("venue")).hits]


def keys(index: SearchIndex, text: str) -> set[str]:
    return {hit.path.rpartition("/")[2] for hit in index.search(text).hits}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("transformer", {"attention"}),
        ("vaswani attention neurips", {"attention"}),
        ("ATTENTION", {"attention"}),
        ('"all you need"', {"attention"}),
        ('"need all you"', set()),
        ("recurr*", {"attention"}),
        ("author:bernhard", {"kernels", "folded", "bernhard_schölkopf", "bernhard_scholkopf"}),
        ("author:attention", set()),
        ('author:"Wei Li"', {"haipeng", "wei_li"}),
        ("title:haipeng", {"about"}),
        ("venue:icml", {"kernels", "folded", "haipeng", "icml"}),
        ("venue:icml -author:smola", {"folded", "haipeng", "icml"}),
        ("venue:icml year:2020-2022", {"folded"}),
        ("learning -year:2002", {"folded"}),
        ("pre-training", {"undated"}),
        ("pre training", {"undated"}),
        ("training-pre", set()),
        ("large language model", {"undated", "models"}),
        ("large language models", {"undated", "models"}),
        ('"language models"', {"models"}),
        ("10.1000/attn", {"attention"}),
        ("https://doi.org/10.1000/ATTN", {"attention"}),
        ("doi:10.1000/attn", {"attention"}),
        ("李伟", {"models", "李伟"}),
        ("伟", {"models", "李伟"}),
        ("伟李", set()),
        ("angstrom", {"angstrom"}),
        ("ÅNGSTRÖM", {"angstrom"}),
        ("???", set()),
        ('he said: "attention', set()),
        ('attention"', {"attention"}),
        ("attention:", {"attention"}),
    ],
)
def test_what_is_found(index: SearchIndex, text: str, found: set[str]) -> None:
    assert keys(index, text) == found


def test_a_bare_name_finds_its_cluster_then_numbered_ones_then_the_rest(index: SearchIndex) -> None:
    found = labels(index, "haipeng  ZHANG")
    assert found[:3] == ["Haipeng Zhang", "Haipeng Zhang 0006", "Haipeng Xu Zhang"]
    assert set(found[3:]) == {"Oblivious Counterfactuals", "On Haipeng Zhang", "Unrelated"}
    assert labels(index, "Haipeng Zhang", kind="paper")[-1] == "Unrelated", "two people are not one name"
    assert labels(index, "Haipeng Zhang 0006") == ["Haipeng Zhang 0006"]


def test_accents_that_are_typed_rank_the_exact_spelling_first(index: SearchIndex) -> None:
    lighter, heavier = "Bernhard Schölkopf", "Bernhard Scholkopf"
    assert labels(index, "Bernhard Schölkopf", kind="name") == [lighter, heavier]
    assert labels(index, "schölkopf", kind="name") == [lighter, heavier]
    assert labels(index, "schölkopf", kind="paper") == ["Learning with Kernels", "Causal Learning"]
    assert labels(index, "Bernhard Scholkopf", kind="name") == [heavier, lighter]


def test_a_label_that_is_the_whole_text_comes_first(index: SearchIndex) -> None:
    assert labels(index, "neurips")[0] == "NeurIPS"
    assert labels(index, "attention is all you need")[0] == "Attention Is All You Need"
    assert labels(index, "李伟")[0] == "李伟"


def test_the_word_as_typed_ranks_above_its_plural(index: SearchIndex) -> None:
    assert labels(index, "language model")[0] == "A Large Language Model"
    assert labels(index, "language models")[0] == "Large Language Models for Code"


def test_filters_and_facets_count_all_matches(index: SearchIndex) -> None:
    answer = index.search("", kind="paper", limit=2, facets=True)
    papers = [document for document in DOCUMENTS if document.kind == "paper"]
    assert answer.total == len(papers)
    assert len(answer.hits) == 2
    assert answer.facets.kinds == (("paper", len(papers)),)
    assert dict(answer.facets.years) == Counter(d.year for d in papers if d.year is not None)
    assert [year for year, _ in answer.facets.years] == sorted(dict(answer.facets.years), reverse=True)
    assert answer.facets.venues == (("ICML", 3), ("ACL", 2), ("NeurIPS", 2))
    narrowed = index.search("learning", venue="ICML", year_from=2010, year_to=2021, facets=True)
    assert [hit.label for hit in narrowed.hits] == ["Causal Learning"]
    assert narrowed.facets.years == ((2021, 1),)
    assert index.search("", venue="icml").total == index.search("", venue="ICML").total == 3
    assert index.search("", venue="IC").total == 0


def test_spellings_of_a_venue_in_other_letter_case_are_one_facet_under_its_label(tmp_path: Path) -> None:
    documents = [
        paper("a", "One", venues=["acl", "ACL"], year=2001),
        paper("b", "Two", venues=["acl"], year=2002),
        paper("c", "Three", venues=["Workshop"], year=2003),
        venue("ACL", 2),
    ]
    write_index(documents, tmp_path / "search", memory_bytes=MEMORY)
    index = SearchIndex(tmp_path / "search")
    assert index.search("", facets=True).facets.venues == (("ACL", 2), ("Workshop", 1))
    assert index.search("", venue="ACL").total == 2


def test_everything_is_listed_newest_first_and_the_undated_last_both_ways(index: SearchIndex) -> None:
    years = [hit.year for hit in index.search("", kind="paper").hits]
    assert years == [2024, 2023, 2023, 2022, 2021, 2020, 2020, 2020, 2017, 2002, None]
    oldest = [hit.year for hit in index.search("", kind="paper", sort="oldest").hits]
    assert oldest == [*reversed(years[:-1]), None]
    assert [hit.weight for hit in index.search("", kind="name").hits] == [250, 90, 40, 30, 20, 7, 3]
    assert index.search("year:2020-").hits == index.search("year:2020-", sort="newest").hits


def test_by_title_neither_case_nor_accents_count(index: SearchIndex) -> None:
    found = [hit.label for hit in index.search("", kind="paper", sort="title").hits]
    assert found[:3] == ["A Large Language Model", "Ångström Units", "Attention Is All You Need"]
    assert found[-1] == "zebra crossing"


@pytest.mark.parametrize("sort", ["relevance", "newest", "oldest", "title"])
def test_pages_side_by_side_are_the_whole_list(index: SearchIndex, sort: str) -> None:
    whole = index.search("haipeng zhang", sort=sort).hits
    pieces = [index.search("haipeng zhang", sort=sort, offset=start, limit=2).hits for start in range(0, 8, 2)]
    assert tuple(itertools.chain.from_iterable(pieces)) == whole
    assert index.search("haipeng zhang", sort=sort, offset=3, limit=10**12).hits == whole[3:]
    assert index.search("haipeng zhang", limit=0).total == len(whole)


def test_a_hit_carries_what_a_list_shows(index: SearchIndex) -> None:
    hit = index.search("transformer").hits[0]
    assert (hit.path, hit.kind, hit.year) == ("paper/x/attention", "paper", 2017)
    assert (hit.names, hit.venues) == (("Ashish Vaswani", "Noam Shazeer"), ("NeurIPS",))
    assert [hit.snippet.text[start:end] for start, end in hit.snippet.ranges] == ["Transformer"]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("haip", "Haipeng Zhang 0006"),
        ("haipeng zh", "Haipeng Zhang 0006"),
        ("zhang h", "Haipeng Zhang 0006"),
        ("h", "Haipeng Zhang 0006"),
        ("scho", "Bernhard Scholkopf"),
        ("neu", "NeurIPS"),
        ("attention is a", "Attention Is All You Need"),
        ("李", "李伟"),
    ],
)
def test_completion_of_the_last_word(index: SearchIndex, text: str, first: str) -> None:
    assert index.suggest(text)[0].label == first


def test_completions_are_few_and_only_of_labels(index: SearchIndex) -> None:
    assert [hit.weight for hit in index.suggest("haipeng")] == [250, 40, 3, 0]
    assert len(index.suggest("a", limit=2)) == 2
    assert index.suggest("recurr") == ()
    assert index.suggest("haip ") == (), "a space says that the word is whole"
    assert index.suggest("  ") == index.suggest("?") == index.suggest("haip", limit=0) == ()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("recurent", "recurrent"),
        ("nueral attention", None),
        ("Vaswni Atention", "Vaswani Attention"),
        ("author:vaswni attention", "author:vaswani attention"),
        ("venue:neurip", "venue:neurips"),
        ("venue:neurlps attention", "venue:neurips attention"),
        ('"lage langauge models"', '"large language models"'),
        ("languagemodels", '"language models"'),
        ("pre-trainig", "pre-training"),
        ("haipeng zhan", "haipeng zhang"),
        ("zebra -crossing attention", None),
        ("attentn*", None),
        ("year:2017 atention", "year:2017 attention"),
        ("a7tention", None),
        ("attention", None),
        ("李韦", None),
        ("", None),
    ],
)
def test_the_nearest_text_that_finds_something(index: SearchIndex, typed: str, meant: str | None) -> None:
    assert index.nearest(typed) == meant


def test_the_nearest_text_finds_something_within_the_filters(index: SearchIndex) -> None:
    assert index.nearest("atention", year_from=2017, year_to=2017) == "attention"
    assert index.nearest("atention", kind="venue") is None
    assert index.nearest("attention", year_from=2020) is None, "it finds something, though not there"


def test_many_wrong_words_take_no_longer_than_a_few(index: SearchIndex) -> None:
    assert index.nearest(" ".join(["atention"] * 50 + [f"atentio{letter}" for letter in "abcdefghijklmn"])) is None


@pytest.mark.parametrize("key", ["10.1000/ATTN", "https://doi.org/10.1000/attn", "doi:10.1000/attn"])
def test_an_identifier_is_looked_up_whole(index: SearchIndex, key: str) -> None:
    assert index.identified([key]) == ("paper/x/attention",)
    assert index.identified(["10.1000", "attention", ""]) == ()
    assert index.identified([]) == ()


def test_wrong_options_are_refused(index: SearchIndex) -> None:
    for options in ({"kind": "person"}, {"sort": "best"}):
        with pytest.raises(InvalidParameter, match="no "):
            index.search("x", kind=options.get("kind"), sort=options.get("sort", "relevance"))
    with pytest.raises(InvalidParameter, match="negative"):
        index.search("x", offset=-1)
    with pytest.raises(InvalidSearch):
        index.search("year:someday")


@pytest.fixture(scope="module")
def any_index(index: SearchIndex) -> SearchIndex:
    return index


@given(text=st.text(st.characters(), max_size=40) | st.text('aw"-*: :()[]{}^~\\/+-&|!李ö', max_size=20))
def test_no_text_breaks_the_search(any_index: SearchIndex, text: str) -> None:
    if "*" not in text and "year:" not in text.lower():
        answer = any_index.search(text)
        assert len(answer.hits) == min(answer.total, 20)
        assert answer.facets == Facets(), "not asked for"
        assert any_index.search(text, facets=True).total == answer.total
        nearest = any_index.nearest(text)
        assert nearest is None or (answer.total == 0 and any_index.search(nearest).total > 0)
    assert len(any_index.suggest(text)) <= 10
    assert any_index.search("", venue=text).total in (0, 2, 3)


def files(folder: Path) -> list[tuple[str, int, int, int, int]]:
    found = [folder, *sorted(folder.iterdir())]
    return [(p.name, s.st_ino, s.st_size, s.st_mtime_ns, s.st_mode) for p in found for s in [p.stat()]]


def test_searching_creates_and_changes_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = files(folder)
    assert not [found[0] for found in before[1:] if found[0].startswith(".")], "no locks are published"
    first, second = SearchIndex(folder), SearchIndex(folder)
    assert first.search("attention").hits == second.search("attention").hits
    assert files(folder) == before
    assert list(tmp_path.iterdir()) == [], "nothing stays behind among the temporary files"


def test_an_index_on_a_read_only_file_system_is_searched(folder: Path) -> None:
    script = (
        "import sys, pathlib; from quiver.search import SearchIndex;"
        "print(SearchIndex(pathlib.Path(sys.argv[1])).search('attention').total)"
    )
    mount = ["unshare", "--mount", "sh", "-c"]
    read_only = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && ! touch "$0/x" 2>/dev/null || exit 77; '
    if subprocess.run([*mount, read_only, str(folder)], check=False).returncode == 77 or os.geteuid() != 0:
        pytest.skip("needs the right to mount a read-only file system")
    command = [*mount, read_only + 'exec "$@"', str(folder), sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "1"


def test_threads_share_an_index(index: SearchIndex) -> None:
    texts = ["attention", "haipeng zhang", "李伟", "venue:icml"] * 10
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(keys, [index] * len(texts), texts)) == [keys(index, text) for text in texts]


def test_what_is_no_index_is_a_damaged_release(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DamagedRelease, match="no text index"):
        SearchIndex(tmp_path)
    for file in folder.iterdir():
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(content if file.suffix != ".term" else content[:100])
    with pytest.raises(DamagedRelease):
        SearchIndex(tmp_path)


def test_an_index_without_documents_answers(tmp_path: Path) -> None:
    assert write_index([], tmp_path / "search", memory_bytes=MEMORY) == 0
    empty = SearchIndex(tmp_path / "search")
    assert (empty.search("").total, empty.search("x").hits, empty.suggest("x")) == (0, (), ())


def test_an_index_is_not_written_over_another(folder: Path) -> None:
    before = files(folder)
    with pytest.raises(FileExistsError):
        write_index(DOCUMENTS, folder, memory_bytes=MEMORY)
    assert files(folder) == before


def test_hostile_documents_are_indexed(tmp_path: Path) -> None:
    documents = [
        paper("long", "x" * 1_000_000 + " findme", text="y" * 100 + " word" * 400_000),
        paper("controls", "NUL \0 and \u202e right to left findme", names=["", " "], year=99_999),
        paper("empty", "", names=["findme"] * 3000, year=-5),
        paper("markup", "<script>alert(1)</script> findme"),
    ]
    write_index(documents, tmp_path / "search", memory_bytes=MEMORY)
    index = SearchIndex(tmp_path / "search")
    assert keys(index, "findme") == {"long", "controls", "empty", "markup"}
    assert keys(index, "right-to-left") == {"controls"}
    assert [year for year, _ in index.search("findme", facets=True).facets.years] == []


def conference_papers(shared_data: Path, count: int) -> Iterator[SearchDocument]:
    with gzip.open(shared_data / "records" / "conference-papers-facts.jsonl.gz") as lines:
        for line in itertools.islice(lines, count):
            record = msgspec.json.decode(line, type=dict[str, object])
            fields = {"names": record["authors"], "venues": [record["venue"]], "year": record["year"]}
            yield paper(str(record["key"]), str(record["title"]), **fields)


def test_facets_of_real_papers_are_exact_over_several_segments(shared_data: Path, tmp_path: Path) -> None:
    papers = list(conference_papers(shared_data, 30_000))
    write_index(papers, tmp_path / "search", memory_bytes=100_000_000, threads=2)
    assert len(list((tmp_path / "search").glob("*.term"))) > 1
    index = SearchIndex(tmp_path / "search")
    answer = index.search("title:learning")
    matching = [p for p in papers if "learning" in p.label.lower().replace("-", " ").replace("/", " ").split()]
    assert answer.total >= len(matching) > 1000
    everything = index.search("", facets=True)
    assert everything.total == len(papers)
    assert dict(everything.facets.years) == Counter(p.year for p in papers)
    assert everything.facets.venues == tuple(
        sorted(Counter(p.venues[0] for p in papers).items(), key=lambda facet: (-facet[1], facet[0]))[:20]
    )
