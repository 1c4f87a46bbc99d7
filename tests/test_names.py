"""Name keys, homonym numbers, display names."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.names import display_name, exact_name, name_key, split_homonym


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Yong-jin Liu", "Yong-Jin Liu"),
        ("ANDREW ZHAO", "Andrew  Zhao"),
        ("Andrew\tZhao", " Andrew Zhao "),
        ("Andrew\u00a0Zhao", "Andrew Zhao"),
        ("Ange\u0301lique", "Angélique"),
        ("An\u00addrew", "Andrew"),
        ("\u202eAndrew\u202c", "Andrew"),
        ("Weiß", "WEISS"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
    ],
)
def test_names_that_differ_only_in_letter_case_or_invisible_characters_share_a_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Schölkopf", "Scholkopf"),
        ("Haipeng Zhang 0006", "Haipeng Zhang"),
        ("Simon S. Du", "Simon S Du"),
        ("Andrew Zhao", "Zhao Andrew"),
        ("Li-Wei", "Li Wei"),
        ("می\u200cخواهم", "میخواهم"),  # ZWNJ changes the word
    ],
)
def test_nothing_else_is_joined(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@pytest.mark.parametrize(
    ("name", "bare", "number"),
    [
        ("Haipeng Zhang 0006", "Haipeng Zhang", "0006"),
        ("Hao  Dong\t0003 ", "Hao Dong", "0003"),
        ("Haipeng Zhang", "Haipeng Zhang", None),
        ("Room 101", "Room 101", None),
        ("X 00061", "X 00061", None),
        ("X0006", "X0006", None),
        ("0006", "0006", None),
        (" 0006", "0006", None),
        ("X ٠٠٠٦", "X ٠٠٠٦", None),
        ("", "", None),
    ],
)
def test_a_homonym_number_is_a_space_and_four_digits_at_the_end(name: str, bare: str, number: str | None) -> None:
    assert split_homonym(name) == (bare, number)
    assert display_name(name) == bare


def test_no_number_is_left_in_a_display_name() -> None:
    assert split_homonym("Team 2023 2024") == ("Team 2023", "2024")
    assert display_name("Team 2023 2024") == "Team"


@given(st.text())
def test_a_key_is_stable(name: str) -> None:
    key = name_key(name)
    assert key == unicodedata.normalize("NFC", key)
    assert key == key.strip()
    assert "  " not in key
    assert name_key(exact_name(name)) == key
    assert name_key(f"  {name}\t") == key


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs"])))
def test_letter_case_never_matters(name: str) -> None:
    # U+0130 and a few others change under upper() in ways that no casefold undoes; Unicode's own closure is the rule.
    if name.casefold() == name.upper().casefold():
        assert name_key(name) == name_key(name.upper())
