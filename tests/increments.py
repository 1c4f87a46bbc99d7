"""Random sets of records with everything that makes increments hard, and the comparison of two releases."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from pathlib import Path

import msgspec

from quiver.catalogue import load_catalogue
from quiver.catalogue.answers import result_path
from quiver.dumps import read_lines
from quiver.manifest import Manifest
from quiver.releases import Release, verify
from quiver.search import SearchIndex

_NAMES = [
    *("Ann Lee", "ANN LEE", "ann lee", "Bo Wu", "Bo Wu 0002", "BO WU 0002", "Bo wu 0007", "Team 2023 2024"),
    *("TEAM 2023 2024", "Cy Straße", "CY STRASSE", "李伟", "", "D'Arc, Jo", "Éva Nagy", "eva nagy"),
]
_VENUES = ["NeurIPS", "neurips", "NEURIPS", "ICML", "Straße", "STRASSE", "ACL/EMNLP"]
_ORCIDS = ["0000-0002-1825-0097", "0000-0001-5109-3700", "0000-0002-1694-233X"]
_WORDS = "learning graphs of deep names and small clusters in large text <b>with</b> $x^2$ maths".split()  # noqa: SIM905

_REVISION = b"wasRevisionOf"


def random_record(rows: random.Random, keys: int) -> dict[str, object]:
    """A record; its key is one of *keys*, so that there will be duplicates and conflicts."""
    number = rows.randrange(keys)
    record: dict[str, object] = {"title": f"Title {number} " + " ".join(rows.choices(_WORDS, k=2)) * rows.randint(0, 1)}
    if number % 7:
        record["key"] = f"k/{number}"
    else:
        record["title"] = f"Title {number}"
    authors: list[object] = []
    for _ in range(rows.choice((0, 1, 2, 2, 3))):
        author: dict[str, object] = {"name": rows.choice(_NAMES)}
        if rows.random() < 0.4:
            author["id"] = rows.choice(("~a1", "~a2", "~b/1", "n-Ann Lee"))
        if rows.random() < 0.3:
            author["orcid"] = rows.choice(_ORCIDS)
        authors.append(author)
    record["authors"] = authors
    if rows.random() < 0.7:
        record["venue"] = rows.sample(_VENUES, rows.randint(1, 2))
    if rows.random() < 0.8:
        record["year"] = rows.choice((2019, 2020, "2021", "in press"))
    if rows.random() < 0.3:
        record["abstract"] = " ".join(rows.choices(_WORDS, k=6))
    if rows.random() < 0.2:
        record["byline_may_be_cut"] = True
    return record


def random_page(rows: random.Random, keys: int) -> dict[str, object]:
    page: dict[str, object] = {"record": "cluster-page", "name": rows.choice([name for name in _NAMES if name])}
    page["lists"] = [f"k/{rows.randrange(keys)}" for _ in range(rows.randint(0, 4))]
    if rows.random() < 0.5:
        page["paper_count"] = rows.randint(0, 5)
    return page


def random_file(path: Path, rows: random.Random, keys: int, size: int) -> Path:
    """A file of records, pages, repeated lines and lines that are none."""
    lines: list[str] = []
    for _ in range(size):
        chance = rows.random()
        if chance < 0.7:
            lines.append(json.dumps(random_record(rows, keys)))
        elif chance < 0.88:
            lines.append(json.dumps(random_page(rows, keys)))
        elif chance < 0.95 and lines:
            lines.append(rows.choice(lines))
        else:
            lines.append("{broken" if rows.random() < 0.5 else '{"key": "k/1", "title": ""}')
    # One that no other has, so that there is something to accept.
    lines.append(json.dumps({"key": f"only/{rows.getrandbits(60)}", "title": "Only here", "authors": ["Ann Lee"]}))
    path.write_text("\n".join(lines) + "\n")
    return path


def rejects_of(library: Path, release: Release) -> Counter[bytes]:
    lines: Counter[bytes] = Counter()
    for listing in library.glob(f"rejected/*/{release.id}.jsonl"):
        lines.update(b"%s: %s" % (listing.parent.name.encode(), line) for line in listing.read_bytes().splitlines())
    return lines


def comparable(manifest: Manifest, revisions: int) -> object:
    """What two releases of the same records have in common, but for so many statements about revisions."""
    inputs = [msgspec.structs.replace(known, number=0, revises=()) for known in manifest.inputs]
    return manifest.base, manifest.quads - revisions, manifest.counts, manifest.sources, inputs


def lines_of(release: Release) -> Counter[bytes]:
    return Counter(line for path in release.part_paths for line in read_lines(path))


def search_answers(release: Release) -> object:
    index = SearchIndex(release.search_path)
    answers = []
    for text in (
        "",
        "ann lee",
        "bo wu",
        "title 3",
        "graphs",
        "neurips",
        "strasse",
        "李伟",
        "names year:2020",
        '"deep names"',
    ):
        answer = index.search(text, limit=1000)
        hits = sorted(
            (hit.kind, hit.path, hit.label, hit.weight, hit.names, hit.venues, hit.year or 0) for hit in answer.hits
        )
        answers.append((text, answer.total, hits, answer.facets))
    return len(index), answers


def differences(left: Release, right: Release) -> list[str]:
    """In what two releases differ that hold the same records; and what `verify` finds.

    Whether a file revises another may differ: only a replacement says so.
    """
    found = [f"{side.id}: {fault}" for side in (left, right) for fault in verify(side).faults]
    one, two = lines_of(left), lines_of(right)
    dump = b"".join(path.read_bytes() for path in right.part_paths)
    stated = right.manifest.dump
    if stated is None or (stated.size, stated.sha256) != (len(dump), hashlib.sha256(dump).hexdigest()):
        found.append("the dump is not what the manifest says")
    revisions = sum(_REVISION in line for line in two)
    one, two = (Counter({line: n for line, n in side.items() if _REVISION not in line}) for side in (one, two))
    found.extend(f"- {line!r}" for line in one.keys() - two.keys())
    found.extend(f"+ {line!r}" for line in two.keys() - one.keys())
    if any(count > 1 for count in two.values()):
        found.append("a statement stands twice in the dump")
    stored = [
        {f"{quad} ." for quad in side.open_store() if _REVISION.decode() not in str(quad)} for side in (left, right)
    ]
    if stored[0] != stored[1] or len(stored[0]) != len(one):
        found.append("the stores differ")
    if not revisions and left.manifest.content_hash != right.manifest.content_hash:
        found.append("the content hashes differ")
    if comparable(left.manifest, 0) != comparable(right.manifest, revisions):
        found.append(f"{comparable(left.manifest, 0)}\n!= {comparable(right.manifest, revisions)}")
    if rejects_of(left.path.parents[1], left) != rejects_of(right.path.parents[1], right):
        found.append("the rejects differ")
    if search_answers(left) != search_answers(right):
        found.append("the text indexes differ")
    for query in load_catalogue():
        if query.materialise and not (revisions and query.name == "release/properties"):
            mine, other = (result_path(release.results_path, query).read_bytes() for release in (left, right))
            if msgspec.json.decode(mine) != msgspec.json.decode(other):
                found.append(f"{query.name} differs: {mine!r}\n{other!r}")
    return found
