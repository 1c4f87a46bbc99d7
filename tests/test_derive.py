"""Derivation: tallies merge in any order, and any split, to the same."""

from __future__ import annotations

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from quiver.derive import Tally, preferred_spelling, share_of
from quiver.names import name_key

NAME = st.sampled_from(["Ann Lee", "ANN LEE", "ann  lee", "Bo Wu", "Bo Wu 0002", "", "李伟"])
PAPER = st.tuples(
    st.sampled_from(["s", "t"]),
    st.lists(st.tuples(NAME, st.sampled_from(["", "id1", "id2"])), max_size=4),
    st.lists(st.sampled_from(["ACL", "acl", "ICML"]), max_size=2, unique=True),
    st.sampled_from(["", "2020", "2021"]),
)
Paper = tuple[str, list[tuple[str, str]], list[str], str]


def tally_of(papers: list[Paper]) -> Tally:
    tally = Tally()
    for source, byline, venues, edition in papers:
        signatures = [(name_key(name), name, row or f"n-{name}", row) for name, row in byline]
        tally.add_paper(source, signatures, [(name_key(venue), venue) for venue in venues], edition, {})
    return tally.with_bare_names()


def plain(tally: Tally) -> object:
    return msgspec.to_builtins(
        (
            sorted(
                (key, sorted(t.candidates.items()), t.papers, sorted(t.rows.items())) for key, t in tally.names.items()
            ),
            sorted((key, sorted(t.names.items()), t.identified) for key, t in tally.rows.items()),
            sorted(
                (k, sorted(t.spellings.items()), t.papers, sorted(t.editions.items())) for k, t in tally.venues.items()
            ),
        )
    )


@given(st.lists(PAPER, max_size=12), st.integers(1, 4), st.randoms(use_true_random=False))
def test_however_papers_are_shared_out_the_sum_is_the_same(
    papers: list[Paper], shares: int, rows: random.Random
) -> None:
    whole = tally_of(papers)
    merged = Tally()
    pieces = [piece for start in range(shares) for piece in tally_of(papers[start::shares]).split(3)]
    rows.shuffle(pieces)
    for piece in pieces:
        merged.merge(piece)
    assert plain(merged) == plain(whole)


@given(st.lists(PAPER, max_size=12))
def test_a_paper_counts_once_for_a_name_however_often_it_stands_there(papers: list[Paper]) -> None:
    tally = tally_of(papers)
    for key, name in tally.names.items():
        assert name.papers == sum(key in {name_key(stated) for stated, _ in byline} for _, byline, _, _ in papers)


def test_a_listing_counts_as_a_paper_but_not_twice() -> None:
    tally = Tally()
    tally.add_paper("s", [("ann lee", "Ann Lee", "n-Ann Lee", "")], [], "", {"ann lee": "Ann Lee", "bo wu": "Bo Wu"})
    assert (tally.names["ann lee"].papers, tally.names["bo wu"].papers) == (1, 1)
    assert not tally.names["bo wu"].rows


def test_the_bare_cluster_of_a_number_exists_without_papers() -> None:
    tally = tally_of([("s", [("Bo Wu 0002", "")], [], "")])
    assert tally.names["bo wu"].papers == 0
    assert preferred_spelling(tally.names["bo wu"].candidates) == "Bo Wu"


def test_a_name_with_two_numbers_has_a_chain_of_bare_clusters() -> None:
    tally = tally_of([("s", [("Team 2023 2024", "")], [], "")])
    assert set(tally.names) == {"team 2023 2024", "team 2023", "team"}


def test_shares_do_not_depend_on_the_process() -> None:
    assert [share_of(key, 7) for key in ("ann lee", "bo wu", "李伟", "")] == [2, 0, 3, 0]
