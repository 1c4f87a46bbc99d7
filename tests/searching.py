"""Records for the tests of search: one DOI in two sources, identifiers of every kind, accents, many years."""

from __future__ import annotations

import json
from pathlib import Path

from quiver.config import Settings
from quiver.releases import build
from tests.browsing import BASE

TWICE = "10.1000/twice"
ORCID, SHARED_ORCID = "0000-0002-1825-0097", "0000-0001-5109-3700"

_LEFT: list[dict[str, object]] = [
    {
        "key": "P20-1001",
        "title": "Kernels for attention",
        "authors": [{"name": "Bernhard Schölkopf", "orcid": ORCID}, {"name": "Ann Lee 0002", "orcid": SHARED_ORCID}],
        "venue": "NeurIPS",
        "year": 2020,
        "doi": "10.1000/One",
        "url": "https://papers.example.org/P20-1001/",
        "pdf": "https://files.example.org/p20.pdf",
        "identifiers": {"arxiv": "2001.01234", "isbn": "0-306-40615-2"},
        "abstract": "We say what <attention> & kernels have to do with reinforcement learning.",
    },
    {"key": "twice", "title": "In two sources", "authors": ["Ann Lee"], "doi": TWICE, "year": 2021, "venue": "ACL"},
    {"key": "zero", "title": "Zero attention", "authors": ["Bernhard Scholkopf"], "year": 2022, "venue": "ACL"},
    {"key": "alone", "title": "Undated zebras", "authors": [{"name": "A. Lee", "orcid": SHARED_ORCID}]},
    *(
        {"key": f"run/{year}", "title": f"Report of {year}", "authors": ["Pat Many"], "venue": "Runs", "year": year}
        for year in range(1990, 2024)
    ),
]
_RIGHT: list[dict[str, object]] = [
    {"key": "r1", "title": "In two sources", "authors": ["Ann Lee"], "doi": TWICE, "year": 2021, "venue": "ACL"},
    {"key": "r2", "title": "Learning of attention from zero", "authors": ["Zoë Example"], "year": 2019, "venue": "ACL"},
]


def make_search_library(folder: Path) -> Path:
    """A library of the two sources `left` and `right`."""
    files = []
    for name, records in (("left", _LEFT), ("right", _RIGHT)):
        files.append(folder / f"{name}.jsonl")
        files[-1].write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    build(folder / "library", files, base=BASE, settings=Settings(jobs=1))
    return folder / "library"
