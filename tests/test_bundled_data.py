"""The example that `quiver demo` builds: sound records, facts as stated, and no words but our own."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from quiver.config import bundled
from quiver.readers import open_file
from quiver.records import ClusterPage, Item, Record, RecordError

PAGE = bundled("data") / "andrew-zhao.txt"
PAPERS = bundled("data") / "papers.jsonl"
MARK = "Summary by Quiver: "
E_MAIL = re.compile(r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,}")


class AuthorLine(msgspec.Struct, forbid_unknown_fields=True):
    """An author in `papers.jsonl`: a name and an id, nothing about the person."""

    name: str
    id: str = ""


class PaperLine(msgspec.Struct, forbid_unknown_fields=True):
    """A line of `papers.jsonl`; a further field is an error, so that affiliations cannot slip in."""

    key: str
    title: str
    authors: list[AuthorLine]
    venue: str
    year: int
    status: str = ""
    track: str = ""
    url: str = ""
    pdf: str = ""
    doi: str = ""
    abstract: str = ""


class FactsLine(msgspec.Struct):
    """A line of the set that the papers were selected from."""

    key: str
    title: str
    authors: list[str]
    venue: str
    year: int
    status: str = ""
    track: str = ""
    url: str = ""
    pdf: str = ""
    doi: str = ""
    authorids: list[str] = []


@pytest.fixture(scope="module")
def papers() -> list[PaperLine]:
    decoder = msgspec.json.Decoder(PaperLine)
    return [decoder.decode(line) for line in PAPERS.read_bytes().splitlines()]


def read_items(path: Path) -> list[Item]:
    items: list[Item] = []
    for read in open_file(path):
        assert not isinstance(read, RecordError), str(read)
        items.append(read.item)
    return items


def read_page(path: Path) -> tuple[ClusterPage, list[Record]]:
    items = read_items(path)
    (page,) = (item for item in items if isinstance(item, ClusterPage))
    return page, [item for item in items if isinstance(item, Record)]


def runs_of_six(text: str) -> Iterator[str]:
    """Every run of six words in *text*, without case and punctuation at the words' ends."""
    words = [word for part in text.split() if (word := part.strip(".,;:!?()[]{}\"'“”‘’—–-*$").casefold())]
    return (" ".join(words[at : at + 6]) for at in range(len(words) - 5))


def test_lines_are_complete_and_in_order(papers: list[PaperLine]) -> None:
    assert 300 <= len(papers) <= 500
    keys = [paper.key for paper in papers]
    assert keys == sorted(set(keys))
    for paper in papers:
        assert paper.key, "a paper without a key"
        assert paper.title.strip(), paper.key
        assert paper.authors, paper.key
        assert all(author.name.strip() for author in paper.authors), paper.key
        assert paper.venue, paper.key
        assert 1987 <= paper.year <= 2025, paper.key
        assert all(re.fullmatch(r"https?://\S+", link) for link in (paper.url, paper.pdf) if link), paper.key
        assert not paper.doi or re.fullmatch(r"10\.[0-9]{4,9}/\S+", paper.doi), paper.key


def test_file_is_in_one_plain_form() -> None:
    content = PAPERS.read_bytes()
    assert content.endswith(b"\n")
    assert b"\r" not in content
    assert b"\\u" not in content, "letters are written as they are, not escaped"


@pytest.mark.parametrize("path", sorted(bundled("data").iterdir()), ids=lambda path: path.name)
def test_no_e_mail_address(path: Path) -> None:
    assert E_MAIL.findall(path.read_text(encoding="utf-8")) == []


def test_no_author_id_was_made_from_an_e_mail_address(papers: list[PaperLine]) -> None:
    ids = [author.id for paper in papers for author in paper.authors if author.id]
    assert len(ids) > 100
    assert [id_ for id_ in ids if "@" in id_ or id_.startswith("mail:")] == []


def test_every_abstract_is_marked_as_ours(papers: list[PaperLine]) -> None:
    of_papers = [paper.abstract for paper in papers if paper.abstract]
    of_page = [record.abstract for record in read_page(PAGE)[1]]
    assert len(of_papers) >= 15
    assert len(of_page) == 9
    for abstract in [*of_papers, *of_page]:
        assert abstract.startswith(MARK)
        assert "\n" not in abstract


def test_every_line_is_read_whole(papers: list[PaperLine]) -> None:
    records = [item for item in read_items(PAPERS) if isinstance(item, Record)]
    assert [record.key for record in records] == [paper.key for paper in papers]
    assert [len(record.authors) for record in records] == [len(paper.authors) for paper in papers]
    assert {record.fields for record in records} == {()}, "every field has its place in the interchange form"


def test_page_has_the_quirks_of_a_real_one() -> None:
    page, records = read_page(PAGE)
    assert (page.name, page.paper_count, page.author_row_count) == ("Andrew Zhao", 10, 2)
    assert "not a full identity disambiguation profile" in page.note
    assert len(page.lists) == len(records) == 9
    bylines = {record.title: [author.name for author in record.authors] for record in records}
    unnamed = [title for title, names in bylines.items() if "Andrew Zhao" not in names]
    assert [title.partition(":")[0] for title in unnamed] == ["Beyond the 80/20 Rule"]
    assert "Haipeng Zhang 0006" in {name for names in bylines.values() for name in names}
    text = " ".join(record.abstract for record in records)
    for quirk in (r"\emph{", "$k$", r"20\%", "https: //github. com/", "11. 04"):
        assert quirk in text


def test_demo_has_a_network_and_a_history(papers: list[PaperLine]) -> None:
    page_names = {author.name.casefold() for record in read_page(PAGE)[1] for author in record.authors}
    shared = {author.name.casefold() for paper in papers for author in paper.authors} & page_names
    assert len(shared) >= 25, "most names of the page lead on to further papers"
    assert {paper.year for paper in papers} >= set(range(2018, 2026))
    assert len({paper.venue for paper in papers}) >= 10


def test_readme_counts_the_papers(papers: list[PaperLine]) -> None:
    readme = (bundled("data") / "README.md").read_text(encoding="utf-8")
    spellings = {author.name for paper in papers for author in paper.authors}
    summaries = sum(bool(paper.abstract) for paper in papers)
    assert f"{len(papers)} papers" in readme
    assert f"{len({paper.venue for paper in papers})} venues" in readme
    assert f"{len(spellings):,} spellings" in readme
    assert f"{summaries} of the papers" in readme


def test_page_states_what_the_real_page_states(shared_data: Path) -> None:
    outlines = []
    for path in (PAGE, shared_data / "arrow" / "andrew-zhao.txt"):
        abstracts = {record.abstract for record in read_page(path)[1]}
        lines = path.read_text(encoding="utf-8").splitlines()
        outlines.append([line for line in lines if line not in abstracts])
    ours, real = outlines
    assert ours == real


def test_papers_state_what_the_set_states(papers: list[PaperLine], shared_data: Path) -> None:
    ours = {paper.key: paper for paper in papers}
    decoder = msgspec.json.Decoder(FactsLine)
    found = 0
    with gzip.open(shared_data / "records" / "conference-papers-facts.jsonl.gz") as lines:
        for line in lines:
            if line.split(b'"', 4)[3].decode() not in ours:
                continue
            facts = decoder.decode(line)
            paper = ours[facts.key]
            found += 1
            assert [author.name for author in paper.authors] == facts.authors
            ids = facts.authorids or [""] * len(facts.authors)
            assert all(author.id in ("", id_) for author, id_ in zip(paper.authors, ids, strict=True))
            for field in ("title", "venue", "year", "status", "track", "url", "pdf"):
                assert getattr(paper, field) == getattr(facts, field), paper.key
            assert facts.doi.endswith(paper.doi), paper.key
            assert bool(facts.doi) == bool(paper.doi), paper.key
    assert found == len(papers)


def test_no_six_words_of_an_original_abstract(papers: list[PaperLine], shared_data: Path) -> None:
    _, real = read_page(shared_data / "arrow" / "andrew-zhao.txt")
    originals = {run for record in real for run in runs_of_six(record.abstract)}
    assert len(originals) > 1000
    summaries = [record.abstract for record in read_page(PAGE)[1]]
    summaries += [paper.abstract for paper in papers if paper.abstract]
    ours = {run for summary in summaries for run in runs_of_six(summary)}
    assert ours & originals == set()
