"""Identifiers of the field, and IRIs to paths and back."""

from __future__ import annotations

from collections.abc import Callable

import pyoxigraph
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.errors import InvalidIdentifier
from quiver.identifiers import (
    EXTENSIONS,
    Minter,
    decode_segment,
    encode_key,
    encode_segment,
    is_absolute_iri,
    normalise_base,
    parse_arxiv,
    parse_doi,
    parse_isbn,
    parse_issn,
    parse_orcid,
)

TEXT = st.text(max_size=40)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("andrew zhao", "andrew_zhao"),
        ("李伟", "李伟"),
        ("", "~"),
        ("~", "~7E"),
        ("a_b", "a~5Fb"),
        ("100%", "100~25"),
        ("c++", "c~2B~2B"),
        ("o'neil", "o~27neil"),
        (".", "~2E"),
        ("..", "~2E~2E"),
        ("...", "..."),
        ("x.ttl", "x~2Ettl"),
        ("x.csl.json", "x.csl~2Ejson"),
        ("x.pdf", "x.pdf"),
        ("a/b", "a~2Fb"),
        ("é", "é"),
        ("\U0001f600", "~F0~9F~98~80"),
        ("½", "~C2~BD"),
    ],
)
def test_segments_are_written_as_the_contract_says(text: str, path: str) -> None:
    assert encode_segment(text) == path
    assert decode_segment(path) == text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("conf/nips/ZhaoWu25", "conf/nips/ZhaoWu25"),
        ("2016.amta-researchers.1", "2016.amta-researchers.1"),
        ("a//b", "a~2F~2Fb"),
        ("/a", "~2Fa"),
        ("a/", "a~2F"),
        ("a/./b", "a~2F.~2Fb"),
        ("../../etc/passwd", "..~2F..~2Fetc/passwd"),
        ("a/b.html", "a/b~2Ehtml"),
    ],
)
def test_a_slash_stands_in_keys_where_it_is_harmless(text: str, path: str) -> None:
    assert encode_key(text) == path
    assert decode_segment(path) == text


@given(TEXT)
def test_every_text_comes_back_from_its_path(text: str) -> None:
    assert decode_segment(encode_segment(text)) == text
    assert decode_segment(encode_key(text)) == text


@given(TEXT)
def test_paths_survive_servers_and_clients(text: str) -> None:
    for path in (encode_segment(text), encode_key(text)):
        assert "%" not in path
        assert path
        assert not path.endswith(EXTENSIONS)
        assert not {"", ".", ".."} & set(path.split("/"))
        assert is_absolute_iri(f"http://localhost:8000/name/{path}")
        assert pyoxigraph.NamedNode(f"http://localhost:8000/name/{path}")


@given(TEXT, TEXT)
def test_two_texts_never_share_a_path(one: str, other: str) -> None:
    assert (encode_segment(one) == encode_segment(other)) == (one == other)
    assert (encode_key(one) == encode_key(other)) == (one == other)


@pytest.mark.parametrize("path", ["a b", "%41", "~4", "~zz", "~41", "~FF", "a+b", "x.ttl", "a~2fb"])
def test_a_path_that_we_did_not_make_is_refused(path: str) -> None:
    with pytest.raises(InvalidIdentifier):
        decode_segment(path)


@given(st.text(max_size=30) | st.text(alphabet='htps:/[]#?@%a1. é<"', max_size=20).map(lambda t: "http://" + t))
def test_an_iri_that_we_accept_the_engine_accepts(text: str) -> None:
    if is_absolute_iri(text):
        data = f"<{text}> <http://example.org/p> <{text}> .\n"
        assert len(list(pyoxigraph.parse(data, format=pyoxigraph.RdfFormat.N_TRIPLES))) == 1


def test_no_character_makes_an_iri_that_the_engine_refuses() -> None:
    """Each one alone: a file of a build is loaded as a whole, or not at all."""
    ends = [plane << 16 | low for plane in range(1, 17) for low in (0, 1, 0xFFFD, 0xFFFE, 0xFFFF)]
    characters = [chr(code) for code in (*range(0x80, 0x10000), *range(0xE0000, 0xE1001), *ends)]
    addresses = [text for one in characters if is_absolute_iri(text := f"https://example.org/a{one}b")]
    paths = [f"http://localhost:8000/name/{encode_segment(f'a{one}b')}" for one in characters]
    assert len(addresses) > 50_000
    for iris in (addresses, paths):
        data = "".join(f"<{iri}> <http://example.org/p> <{iri}> .\n" for iri in iris)
        assert sum(1 for _ in pyoxigraph.parse(data, format=pyoxigraph.RdfFormat.N_TRIPLES)) == len(iris)


@pytest.mark.parametrize(
    "text",
    [
        "https: //github. com/x",
        "P18-1001",
        "http://",
        "http://a b",
        "http://a/%zz",
        "http://[",
        "a:b\x00",
        "http:///x",
        "http://a@b@c.org/",
        "https://example.org/\ufffd",
    ],
)
def test_what_is_no_iri_is_refused(text: str) -> None:
    assert not is_absolute_iri(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10.1000/XYZ", "10.1000/xyz"),
        ("https://doi.org/10.1000/XYZ", "10.1000/xyz"),
        ("http://dx.doi.org/10.1000/xyz", "10.1000/xyz"),
        ("doi:10.1000/xyz", "10.1000/xyz"),
        (" 10.1000.10/a(b)<c> ", "10.1000.10/a(b)<c>"),
        ("10.1890/0012-9658(2006)87[1:A]2.0.CO;2", "10.1890/0012-9658(2006)87[1:a]2.0.co;2"),
        ("10.1000/a#b?c\ufffd\x80\U000e0100", "10.1000/a#b?c\ufffd\x80\U000e0100"),
    ],
)
def test_dois_are_normalised(text: str, value: str) -> None:
    doi = parse_doi(text)
    assert doi.value == value
    assert is_absolute_iri(doi.iri)


def test_orcid_check_digits() -> None:
    assert parse_orcid("0000-0002-1694-233x").value == "0000-0002-1694-233X"
    assert parse_orcid("https://orcid.org/0000-0002-1825-0097").iri == "https://orcid.org/0000-0002-1825-0097"


@pytest.mark.parametrize(
    ("parse", "good", "value"),
    [
        (parse_arxiv, "arXiv:2501.01234v2", "2501.01234"),
        (parse_arxiv, "hep-th/9901001", "hep-th/9901001"),
        (parse_issn, "ISSN 2049-3630", "2049-3630"),
        (parse_issn, "2434561X", "2434-561X"),
        (parse_isbn, "978-3-16-148410-0", "9783161484100"),
        (parse_isbn, "0-8044-2957-X", "9780804429573"),
    ],
)
def test_other_identifiers(parse: Callable[[str], str], good: str, value: str) -> None:
    assert parse(good) == value


@pytest.mark.parametrize(
    ("parse", "bad"),
    [
        (parse_doi, "11.1000/x"),
        (parse_doi, "10.1000/"),
        (parse_doi, ""),
        (parse_orcid, "0000-0002-1825-0098"),
        (parse_orcid, "0000-0002-1825"),
        (parse_arxiv, "25.1"),
        (parse_issn, "2049-3631"),
        (parse_isbn, "978-3-16-148410-1"),
        (parse_isbn, "0-306-40615-3"),
    ],
)
def test_a_wrong_identifier_keeps_its_value_in_the_error(parse: Callable[[str], object], bad: str) -> None:
    with pytest.raises(InvalidIdentifier) as caught:
        parse(bad)
    assert caught.value.value == bad


@pytest.mark.parametrize("text", ["", "localhost", "ftp://x/", "http://x/?a=", "http://x/#", "javascript:alert(1)/"])
def test_a_base_is_an_http_iri(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        normalise_base(text)


def test_a_path_is_the_iri_without_base_and_fragment() -> None:
    minter = Minter("http://localhost:8000/")
    iri = minter.paper("acl", "2016.amta-researchers.1")
    assert minter.path(iri + "#a1") == "paper/acl/2016.amta-researchers.1"
    assert minter.path("https://example.org/") is None
