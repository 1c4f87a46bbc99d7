"""BibTeX, references as text and metadata: what a reference manager and a reader make of them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.web.citations import (
    STYLES,
    Citation,
    CitedName,
    Style,
    bibtex_name,
    citation_key,
    entry_type,
    escape_latex,
    format_reference,
    json_ld,
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


def reference(citation: Citation, key: str) -> str:
    (style,) = [style for style in STYLES if style.key == key]
    return "".join(piece.text for piece in format_reference(citation, style))


THREE = Citation(
    title="What Is It?",
    names=(CitedName("Ann Lee"), CitedName("Jörg Müller"), CitedName("李伟")),
    entry_type="article",
    year="2021",
    venue="JMLR",
    pages="1-9",
    url="https://e.org/x",
)


def test_references_read_as_their_styles_have_them() -> None:
    assert reference(THREE, "apa") == ("Ann Lee, Jörg Müller, & 李伟 (2021). What Is It? JMLR, 1–9. https://e.org/x")
    assert reference(THREE, "chicago") == (
        "Ann Lee, Jörg Müller, and 李伟. “What Is It?” JMLR (2021): 1–9. https://e.org/x"
    )
    assert reference(THREE, "acm") == "Ann Lee, Jörg Müller, and 李伟. 2021. What Is It? JMLR, 1–9. https://e.org/x"
    assert reference(PAPER, "apa") == (
        "Andrew Zhao & Jörg Müller (2024). ExpeL: LLM Agents & 80% of {Experience}. In AAAI (pp. 19632–19642). "
        "https://doi.org/10.1609/aaai.v38i17.29936"
    )
    assert reference(PAPER, "chicago") == (
        "Andrew Zhao and Jörg Müller. “ExpeL: LLM Agents & 80% of {Experience}.” In AAAI, 19632–19642. 2024. "
        "https://doi.org/10.1609/aaai.v38i17.29936"
    )


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.key)
def test_only_the_venue_is_in_italics(style: Style) -> None:
    assert [piece.text for piece in format_reference(THREE, style) if piece.italic] == ["JMLR"]


@pytest.mark.parametrize("key", ["apa", "chicago", "acm"])
def test_a_byline_that_may_go_on_ends_in_et_al(key: str) -> None:
    assert "李伟, et al." in reference(replace(THREE, and_others=True), key)
    assert "et al." not in reference(THREE, key)
    one = replace(THREE, names=THREE.names[:1], and_others=True)
    assert reference(one, key).startswith("Ann Lee et al.")


def test_long_bylines_are_shortened_as_each_style_does() -> None:
    names = tuple(CitedName(f"N{number}") for number in range(60))
    long = replace(THREE, names=names)
    assert "N18, … N59 (2021)" in reference(long, "apa")
    assert "N18, et al. (2021)" in reference(replace(long, and_others=True), "apa")
    assert reference(long, "chicago").startswith("N0, N1, N2, et al. “")
    assert "N49, et al. 2021." in reference(long, "acm")


@pytest.mark.parametrize(
    ("stated", "years"),
    [("", ("(n.d.)", "n.d.", "[n. d.]")), ("in press", ("(in press)", "in press", "in press"))],
)
def test_what_is_not_stated_is_not_made_up(stated: str, years: tuple[str, str, str]) -> None:
    bare = Citation(title="T", stated_year=stated)
    for key, year in zip(("apa", "chicago", "acm"), years, strict=True):
        text = reference(bare, key)
        assert year in text
        assert "None" not in text
        assert "  " not in text
        assert "In " not in text


@given(st.text(min_size=1), st.text(min_size=1), st.text())
def test_every_reference_says_title_and_names(title: str, name: str, venue: str) -> None:
    for style in STYLES:
        text = "".join(
            p.text for p in format_reference(Citation(title=title, names=(CitedName(name),), venue=venue), style)
        )
        assert title.rstrip() in text
        assert name.rstrip() in text


def test_data_for_search_engines_names_nobody_as_a_thing() -> None:
    data = json_ld(replace(PAPER, and_others=True, abstract="A."), "https://e.org/paper/x")
    assert data["@id"] == "https://e.org/paper/x"
    assert data["author"] == ["Andrew Zhao", "Jörg Müller"]
    assert data["creditText"] == "Andrew Zhao, Jörg Müller and others"
    assert data["isPartOf"] == {"@type": "CreativeWork", "name": "AAAI"}
    assert (data["pageStart"], data["pageEnd"]) == ("19632", "19642")
    assert "Person" not in str(data)
    assert json_ld(THREE, "x")["isPartOf"] == {"@type": "Periodical", "name": "JMLR"}


def test_metadata_has_the_identifiers_and_the_page_itself() -> None:
    full = replace(
        PAPER, arxiv="2308.10144", isbn="9780000000002", issn="1234-5679", pdf="https://e.org/x.pdf", abstract="A."
    )
    tags = dict(meta_tags(full, "https://kg.org/paper/x"))
    assert tags["citation_arxiv_id"] == "2308.10144"
    assert tags["citation_isbn"] == "9780000000002"
    assert tags["citation_issn"] == "1234-5679"
    assert tags["citation_pdf_url"] == "https://e.org/x.pdf"
    assert tags["citation_abstract_html_url"] == "https://kg.org/paper/x"
    assert tags["citation_abstract"] == "A."
    assert "citation_journal_title" in dict(meta_tags(THREE))
