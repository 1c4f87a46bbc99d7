"""BibTeX and citation metadata: what a reference manager makes of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.web.citations import (
    Citation,
    CitedName,
    bibtex_name,
    citation_key,
    entry_type,
    escape_latex,
    meta_tags,
    protect_title,
    to_bibtex,
)

PAPER = Citation(
    title="ExpeL: LLM Agents & 80% of {Experience}",
    names=(CitedName("Andrew Zhao"), CitedName("Jörg Müller", "Jörg", "Müller")),
    entry_type="inproceedings",
    year="2024",
    venue="AAAI",
    pages="19632-19642",
    doi="10.1609/aaai.v38i17.29936",
    url="https://example.org/a_b%20c",
)


def brace_depths(text: str) -> list[int]:
    depth, depths = 0, []
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        depths.append(depth)
    return depths


def test_an_entry_reads_as_one_would_write_it() -> None:
    assert to_bibtex(PAPER) == (
        "@inproceedings{zhao2024expel,\n"
        r"  title     = {{ExpeL}: {LLM} Agents \& 80\% of \textbraceleft{}Experience\textbraceright{}},"
        "\n"
        "  author    = {Andrew Zhao and\n            Müller, Jörg},\n"
        "  booktitle = {AAAI},\n"
        "  year      = {2024},\n"
        "  pages     = {19632--19642},\n"
        "  doi       = {10.1609/aaai.v38i17.29936},\n"
        "  url       = {https://example.org/a_b%20c}\n"
        "}\n"
    )


def test_a_cut_byline_ends_in_and_others() -> None:
    cut = Citation(title="T", names=(CitedName("A B"),), and_others=True)
    assert re.search(r"A B and\s+others\}", to_bibtex(cut))


def test_without_names_there_is_no_author_field_even_where_the_byline_is_cut() -> None:
    assert "author" not in to_bibtex(Citation(title="T", and_others=True))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (CitedName("Andrew Zhao"), "Andrew Zhao"),
        (CitedName("李伟"), "李伟"),
        (CitedName("The Alpha and Omega Group"), "{The Alpha and Omega Group}"),
        (CitedName("John Smith, Jr."), "{John Smith, Jr.}"),
        (CitedName("others"), "{others}"),
        (CitedName("Andrea Bandini"), "Andrea Bandini"),
        (CitedName("x", "Guido", "van Rossum"), "van Rossum, Guido"),
        (CitedName("x", "", "Plato"), "{Plato}"),
        (CitedName("A_B {C}"), r"A\_B \textbraceleft{}C\textbraceright{}"),
    ],
)
def test_names_survive_bibtex(name: CitedName, written: str) -> None:
    assert bibtex_name(name) == written


@pytest.mark.parametrize(
    ("citation", "key"),
    [
        (Citation(title="x", stated_key="zhao-2025-x"), "zhao-2025-x"),
        (Citation(title="x", stated_key="bad key,{}"), "badkey"),
        (Citation(title="The Rule of Law", names=(CitedName("Ana Núñez"),), year="2020"), "nunez2020rule"),
        (Citation(title="中文", names=(CitedName("李伟"),), year="2021"), "2021"),
        (Citation(title="中文"), "paper"),
    ],
)
def test_keys_are_plain_and_never_empty(citation: Citation, key: str) -> None:
    assert citation_key(citation) == key


@pytest.mark.parametrize(
    ("types", "kinds", "container", "entry"),
    [
        (["Conference Paper"], ["Journal"], "", "inproceedings"),
        (["Poster"], ["Journal"], "", "article"),
        (["Journal Article"], [], "", "article"),
        ([], [], "Proceedings of X", "inproceedings"),
        ([], [], "", "misc"),
    ],
)
def test_the_stated_type_decides_then_the_kind_of_venue(
    types: list[str], kinds: list[str], container: str, entry: str
) -> None:
    assert entry_type(types, kinds, container) == entry


@given(st.text(), st.text(), st.text())
def test_braces_always_balance(title: str, name: str, venue: str) -> None:
    entry = to_bibtex(Citation(title=title, names=(CitedName(name or "x"),), venue=venue, url=title, doi=name))
    depths = brace_depths(entry)
    assert min(depths) >= 0
    assert depths[-1] == 0
    assert depths.count(0) - 1 == entry.index("{") + (len(entry) - 1 - entry.rindex("}"))


@given(st.text())
def test_nothing_special_to_latex_stays_bare(text: str) -> None:
    without_commands = re.sub(r"\\(?:[%$&#_]|text[a-z]+\{\})", "", escape_latex(text))
    assert not set(without_commands) & set("\\{}$&#%_^~")
    assert not set(re.sub(r"\\(?:[%$&#_]|text[a-z]+\{\})|[{}]", "", protect_title(text))) & set("\\$&#%_^~")


def test_meta_tags_name_every_author_in_order_and_the_files() -> None:
    tags = meta_tags(PAPER)
    assert [value for name, value in tags if name == "citation_author"] == ["Andrew Zhao", "Müller, Jörg"]
    assert ("citation_conference_title", "AAAI") in tags
    assert ("citation_firstpage", "19632") in tags
    assert ("citation_lastpage", "19642") in tags
    assert ("citation_doi", PAPER.doi) in tags


@pytest.mark.parametrize(
    ("container", "kind"),
    [
        ("Transactions of the Association for Computational Linguistics, Volume 4", "article"),
        ("Computational Linguistics, Volume 42, Issue 4", "article"),
        ("Journal of Machine Learning Research", "article"),
        ("Proceedings of the 54th Annual Meeting of the Association for Computational Linguistics", "inproceedings"),
        ("", "misc"),
    ],
)
def test_a_journal_is_told_from_proceedings_by_its_title(container: str, kind: str) -> None:
    assert entry_type([], [], container) == kind


@pytest.mark.parametrize(
    ("display", "written"),
    [
        ("J. L. Wyatt Jr.", "Wyatt, Jr., J. L."),
        ("Rodriguez, S.", "Rodriguez, S."),
        ("Simon and Garfunkel", "{Simon and Garfunkel}"),
        ("Ann Lee", "Ann Lee"),
    ],
)
def test_suffixes_and_commas_in_names(display: str, written: str) -> None:
    assert bibtex_name(CitedName(display)) == written
