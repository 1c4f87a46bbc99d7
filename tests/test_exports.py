"""Papers as files for reference managers: what readers of other hands make of them, and what a file never holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from quiver.releases import Library
from quiver.web.citations import Citation, CitedName
from quiver.web.exports import EXPORTS, Keys, export_papers
from quiver.web.graph import Graph
from tests.browsing import BASE, path_of_title

DMOTION = "DMotion: Robotic Visuomotor Control with Unsupervised Forward Model Learned from Videos"
BEYOND = "Beyond the 80/20 Rule: High-Entropy Minority Tokens Drive Effective Reinforcement Learning for LLM Reasoning"


@pytest.fixture(scope="module")
def graph(web_library: Path) -> Graph:
    return Graph(Library(web_library).current())


@pytest.fixture(scope="module")
def many() -> list[str]:
    return [f"{BASE}paper/hostile/many/{n:03}" for n in range(120)]


def entries(text: str, extension: str) -> int:
    """How many references a file has, told without a parser."""
    return len(re.findall({"bib": r"(?m)^@", "ris": r"(?m)^TY  - ", "csl.json": r'(?m)^ "id": '}[extension], text))


@pytest.mark.parametrize("extension", EXPORTS)
def test_a_list_is_written_whole_and_in_pieces(graph: Graph, many: list[str], extension: str) -> None:
    pieces = list(export_papers(graph, many, extension))
    assert entries("".join(pieces), extension) == 120
    longer = list(export_papers(graph, many * 20, extension))
    assert len(longer) > 5
    assert max(map(len, longer)) < 40_000
    assert entries("".join(longer), extension) == 2400


@pytest.mark.parametrize("extension", EXPORTS)
def test_the_file_of_no_paper_is_valid(graph: Graph, extension: str) -> None:
    text = "".join(export_papers(graph, [], extension))
    assert json.loads(text) == [] if extension == "csl.json" else text == ""


@pytest.mark.parametrize("extension", EXPORTS)
def test_no_homonym_number_reaches_a_file(graph: Graph, web_library: Path, extension: str) -> None:
    text = "".join(export_papers(graph, [BASE + path_of_title(web_library, DMOTION)], extension))
    assert "Haipeng Zhang" in text
    assert "0006" not in text


@pytest.mark.parametrize("extension", EXPORTS)
def test_a_cut_byline_says_so(graph: Graph, web_library: Path, extension: str) -> None:
    text = "".join(export_papers(graph, [BASE + path_of_title(web_library, BEYOND)], extension))
    assert re.search(r"and\s+others[})]", text)


@pytest.mark.parametrize("extension", EXPORTS)
def test_a_note_is_said_once_with_the_last_paper(graph: Graph, many: list[str], extension: str) -> None:
    text = "".join(export_papers(graph, many[:3], extension, "The list goes on."))
    assert text.count("The list goes on.") == 1
    assert text.index("The list goes on.") > text.index("Paper 002")


def test_keys_are_unique_in_a_file_whatever_their_case() -> None:
    keys = Keys()
    cited = [Citation(title="T", stated_key=key) for key in ("a", "A", "a", "ab", "a")]
    given = [keys.key(citation) for citation in cited]
    assert given[0] == "a"
    assert len({key.casefold() for key in given}) == 5


def test_many_papers_of_one_name_and_year_get_suffixes() -> None:
    keys = Keys()
    citation = Citation(title="Zero", names=(CitedName("Ann Lee"),), year="2025")
    given = [keys.key(citation) for _ in range(30)]
    assert given[:3] == ["lee2025zero", "lee2025zerob", "lee2025zeroc"]
    assert given[25:28] == ["lee2025zeroz", "lee2025zeroaa", "lee2025zeroab"]
