"""A small set of records with every quirk that the data model speaks of, and the library built of it."""

from __future__ import annotations

import json
from pathlib import Path

PAGE = """\
Author name cluster

Mia Fried

Possible papers associated with this exact author name in Arrow. It is not a full identity disambiguation profile.

4 papers
2 author rows

Possible papers

4

NeurIPS Conference 2024 Conference Paper

Learning $k$ Things

  • Mia Fried
  • Jo Bell 0002
  • Ann Lee

We set $k$=1 and score 11. 04 points. Code: https: //example. org/moss.

NeurIPS Conference 2024 Conference Paper

A Paper That Lost a Name

  • Jo Bell 0002
  • Ann Lee

Plain.

JMLR Journal 2021 Journal Article

Third

  • MIA FRIED
"""

RECORDS: tuple[dict[str, object], ...] = (
    {
        "key": "conf/one",
        "title": "One <script>alert(1)</script>",
        "authors": [
            {"name": "Mia Fried", "id": "~Mia_Fried1", "first": "Mia", "last": "Fried", "aff": "ETH"},
            {"name": "Mia Fried", "id": "~Mia_Fried2", "orcid": "0000-0002-1825-0097"},
            {"name": "", "id": ""},
        ],
        "venue": ["acl", "ws"],
        "year": 2020,
        "status": "Poster",
        "doi": "10.1000/ABC",
        "url": "2020.acl-main.1",
        "bibkey": "fried-2020-one",
        "pages": "1-9",
    },
    {
        "key": "conf/two",
        "title": "Two",
        "authors": [{"name": "M. Fried", "id": "~Mia_Fried1"}, "mia fried"],
        "venue": "ACL",
    },
    {"key": "conf/three", "title": "Three", "year": "in press", "url": "https: //broken. example/x", "extra": [1, 2]},
    {
        "title": "No key",
        "authors": ["李伟", "Łukasz Żak"],
        "venue": "NeurIPS",
        "year": 2024,
        "pdf": "javascript:alert(1)",
    },
)


def write_sample(folder: Path) -> list[Path]:
    """The two files of the sample, written into *folder*."""
    page, records = folder / "mia-fried.txt", folder / "records.jsonl"
    page.write_text(PAGE, encoding="utf-8")
    records.write_text("".join(json.dumps(record) + "\n" for record in RECORDS), encoding="utf-8")
    return [page, records]
