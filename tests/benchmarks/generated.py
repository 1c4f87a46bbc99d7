"""Seeded records with names, bylines, venues and abstracts of about the sizes and frequencies of real ones.

    python -m tests.benchmarks.generated COUNT FILE [--seed N] [--first N]

Names follow Zipf's law, as they do: a few stand on thousands of papers, most on one or two.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

_SYLLABLES = tuple(
    "an wei li jo ma ri ka to ne shu xi bo chen zhao lu mi sa no el da ro vi gu pe ta fe hu ya ko le".split()  # noqa: SIM905
)
_VENUES = [
    f"{kind} {number}"
    for kind in ("ICML", "NeurIPS", "ACL", "Journal of Things", "Workshop on")
    for number in range(60)
]
_WORDS = 20_000
_FAMILIES = 40_000
_GIVEN = 4_000


def _word(rows: random.Random, least: int, most: int) -> str:
    return "".join(rows.choices(_SYLLABLES, k=rows.randint(least, most)))


class _Vocabulary:
    """The same for every file, so that files share names, venues and words."""

    def __init__(self) -> None:
        rows = random.Random(1)
        self.words = [_word(rows, 1, 4) for _ in range(_WORDS)]
        self.families = [_word(rows, 1, 3).title() for _ in range(_FAMILIES)]
        self.given = [_word(rows, 1, 3).title() for _ in range(_GIVEN)]

    @staticmethod
    def pick(values: list[str], rows: random.Random) -> str:
        return values[int(len(values) ** rows.random()) - 1]

    def text(self, rows: random.Random, length: int) -> str:
        return " ".join(self.pick(self.words, rows) for _ in range(length))

    def author(self, rows: random.Random) -> dict[str, str]:
        name = f"{self.pick(self.given, rows)} {self.pick(self.families, rows)}"
        if rows.random() < 0.02:
            name += f" {rows.randint(1, 40):04}"
        return (
            {"name": name, "id": f"~{name.replace(' ', '_')}{rows.randint(1, 3)}"}
            if rows.random() < 0.3
            else {"name": name}
        )


def generate(count: int, seed: int = 0, first: int = 0) -> Iterator[bytes]:
    """*count* lines of JSON whose keys are numbered from *first*."""
    vocabulary = _Vocabulary()
    rows = random.Random(seed)
    for number in range(first, first + count):
        record = {
            "key": f"gen/{number}",
            "title": vocabulary.text(rows, rows.randint(5, 14)).capitalize(),
            "authors": [vocabulary.author(rows) for _ in range(min(30, 1 + int(rows.expovariate(0.3))))],
            "year": 2025 - int(rows.expovariate(0.15)),
            "venue": vocabulary.pick(_VENUES, rows),
        }
        if rows.random() < 0.5:
            record["abstract"] = vocabulary.text(rows, rows.randint(80, 180))
        yield json.dumps(record).encode() + b"\n"


def write_records(path: Path, count: int, seed: int = 0, first: int = 0) -> Path:
    """A file of generated records; compressed where its name ends in .gz."""
    with gzip.open(path, "wb", compresslevel=1) if path.suffix == ".gz" else path.open("wb") as file:
        for line in generate(count, seed, first):
            file.write(line)
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    write_records(arguments.file, arguments.count, arguments.seed, arguments.first)
