"""The records that a release keeps, put back among the frames that a build begins with, without what is redacted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from quiver.config import Settings
from quiver.derive import share_of
from quiver.manifest import SourceCounts
from quiver.names import name_key
from quiver.records import Record, canonical_bytes
from quiver.releases.library import Release
from quiver.releases.redactions import PaperName
from quiver.releases.redactor import redactor_of
from quiver.releases.rejects import RejectWriter
from quiver.releases.settled import SettledTable, pages_folder, papers_folder
from quiver.releases.spool import Frame, FrameWriter
from quiver.releases.stages import decode_item, frames_path
from quiver.releases.steps import Making, Plan
from quiver.releases.workers import Workers

# How much larger the text of records is than the tables that keep them.
_EXPANSION = 3
_SHOWN = 100


class RefileTask(msgspec.Struct, frozen=True):
    """Put one share of a source's papers, or with share -1 its cluster pages, back among the frames.

    `names` are the files' by number, `titles` the keys of titles that papers which are taken out have.
    """

    source: str
    share: int
    shares: int
    parent: str
    folder: str
    redactions: str
    names: tuple[str, ...]
    titles: tuple[str, ...] = ()


class RefileDone(msgspec.Struct, frozen=True):
    """What became of the records: how many were changed, and by input how many were refused.

    `others` are papers that stay and have one of the titles.
    """

    changed: int
    refused: dict[int, int]
    others: tuple[PaperName, ...]


class Refiled(msgspec.Struct):
    """As `RefileDone`, of all tasks together."""

    changed: int = 0
    refused: int = 0
    others: list[PaperName] = msgspec.field(default_factory=list)


def refile_share(task: RefileTask) -> RefileDone:
    """Redact the records of one share, and write them to frames by the shares of their new keys."""
    redactor = redactor_of(task.redactions)
    assert redactor is not None
    parent, folder = Path(task.parent), Path(task.folder)
    is_papers = task.share >= 0
    table = SettledTable((papers_folder if is_papers else pages_folder)(parent, task.source))
    rejects = RejectWriter(folder / "rejects", task.source, f"redacted-{task.share:06d}")
    writers: dict[int, FrameWriter] = {}
    changed, refused = 0, dict[int, int]()
    others: list[PaperName] = []
    for key, settled in table.entries(task.share) if is_papers else table.entries():
        for version in settled.versions:
            item = decode_item(version.body)
            left = redactor.item(item, task.source)
            if left is not item:
                changed += len(version.places)
            if left is None:
                for number, locator in version.places:
                    refused[number] = refused.get(number, 0) + 1
                    rejects.write_redacted(redactor.file_name(task.names[number]), locator)
                continue
            if isinstance(item, Record) and task.titles and name_key(item.title) in task.titles:
                others.append(PaperName(task.source, key))
            body = version.body if left is item else canonical_bytes(left)
            digest = version.digest if left is item else hashlib.sha256(body).digest()
            new_key = left.local_key()
            share = share_of(new_key, task.shares) if is_papers else -1
            writer = writers.get(share)
            if writer is None:
                path = frames_path(folder, task.source, share) / f"{task.share:06d}"
                path.parent.mkdir(parents=True, exist_ok=True)
                writer = writers[share] = FrameWriter(path)
            for number, locator in version.places:
                writer.write(Frame(new_key, digest, number, locator, body))
    for writer in writers.values():
        writer.close()
    rejects.close()
    return RefileDone(changed, refused, tuple(others[:_SHOWN]))


def plan_again(release: Release, settings: Settings) -> Plan:
    """How the work is dealt out of making *release* again from the records that it keeps."""
    share_bytes = max(1, settings.integer("partition_bytes"))
    shares = {}
    for slug in sorted(release.manifest.sources):
        folder = papers_folder(release.path, slug)
        size = sum(file.stat().st_size for file in folder.iterdir()) * _EXPANSION if folder.is_dir() else 0
        shares[slug] = max(1, round(size / share_bytes))
    return Plan([], [], [], shares, min(256, max(1, sum(shares.values()))), "", "")


def refile(
    plan: Plan,
    making: Making,
    release: Release,
    redactions: Path,
    titles: Iterable[str],
    workers: Workers,
) -> Refiled:
    """Put all that *release* keeps among the frames of *making*; *titles* are those of papers taken out."""
    redactor = redactor_of(str(redactions))
    assert redactor is not None
    making.inputs = list(release.manifest.inputs)
    names = making.names
    titles = tuple(sorted(set(map(name_key, titles))))
    tasks = [
        RefileTask(slug, share, shares, str(release.path), str(making.folder), str(redactions), names, titles)
        for slug, shares in plan.shares.items()
        for share in range(-1, SettledTable(papers_folder(release.path, slug)).shares)
    ]
    for slug, shares in plan.shares.items():
        for share in range(-1, shares):
            frames_path(making.folder, slug, share).mkdir(parents=True, exist_ok=True)
    done: list[RefileDone] = workers.run("refile", refile_share, tasks)
    total = Refiled()
    refused: dict[int, int] = {}
    for result in done:
        total.changed += result.changed
        total.others.extend(result.others)
        for number, count in result.refused.items():
            refused[number] = refused.get(number, 0) + count
    total.refused = sum(refused.values())
    making.inputs = [
        msgspec.structs.replace(
            known,
            name=redactor.file_name(known.name),
            unreadable=known.unreadable + refused.get(known.number, 0),
        )
        for known in release.manifest.inputs
    ]
    for known in making.inputs:
        making.count(known.source, SourceCounts(read=known.read, rejected=known.unreadable))
    making.seconds["refile"] = workers.seconds
    return total


def titles_of(release: Release, papers: tuple[PaperName, ...]) -> set[str]:
    """The titles that the records of *papers* in *release* have."""
    found: set[str] = set()
    for paper in papers:
        settled = SettledTable(papers_folder(release.path, paper.source)).get([paper.key]).get(paper.key)
        for version in settled.versions if settled is not None else ():
            item = decode_item(version.body)
            if isinstance(item, Record):
                found.add(item.title)
    return found
