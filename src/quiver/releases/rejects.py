"""What was not taken, written out: one JSON object a line with file, place, key, reason and the source's own text."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from quiver.records import Item, RecordError, json_line
from quiver.releases.durability import make_folder, sync_file, sync_folder
from quiver.releases.redactor import Redactor
from quiver.releases.spool import Frame

_CONFLICT: Final = "another record of this source has the same key and other content"
REDACTED: Final = "redacted: taken out of this library for good, so that it is not taken in again"
_TAKEN_OUT: Final = "; the source's own text is redacted"


class RejectWriter:
    """Writes the rejects of one source that one task meets; the file exists only if there are any."""

    def __init__(self, folder: Path, source: str, task: str) -> None:
        self._path = folder / source / f"{task}.jsonl"
        self._file: BinaryIO | None = None

    def write_error(self, error: RecordError) -> None:
        """A record, or a file, that could not be read; bytes that are no UTF-8 are kept in base64."""
        value: dict[str, object] = {"file": error.file, "line": error.locator, "key": error.key, "reason": error.reason}
        if error.hint:
            value["hint"] = error.hint
        try:
            value["raw"] = error.raw.decode("utf-8")
        except UnicodeDecodeError:
            value["raw_base64"] = base64.b64encode(error.raw).decode("ascii")
        self._write(value)

    def write_conflict(self, frame: Frame, file: str, item: Item, kept: str) -> str:
        """A record whose key another record with other content has, too, which is *kept* (file:line); the message."""
        reason = f"{_CONFLICT}; the one with the smaller hash was kept ({kept})"
        self._write(
            {
                "file": file,
                "line": frame.locator,
                "key": frame.key,
                "reason": reason,
                "raw": json_line(item).decode().rstrip("\n"),
            }
        )
        return str(RecordError(file, frame.locator, reason, frame.key))

    def write_redacted(self, file: str, locator: str) -> None:
        """A record that the library has a redaction for: no more is told of it than where it stands."""
        self._write({"file": file, "line": locator, "key": "", "reason": REDACTED})

    def _write(self, value: dict[str, object]) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        self._file.write(msgspec.json.encode(value) + b"\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def redacted_error(redactor: Redactor, error: RecordError, source: str) -> RecordError:
    """*error* as it may be kept: without the source's text and key where they hold something that is taken out."""
    raw = error.raw.decode("utf-8", "replace")
    if redactor.holds(raw) or redactor.holds(error.key) or redactor.takes_out(source, error.key):
        reason = redactor.text(error.reason) + _TAKEN_OUT
        return RecordError(redactor.file_name(error.file), error.locator, reason, hint=redactor.text(error.hint))
    return RecordError(
        redactor.file_name(error.file),
        error.locator,
        redactor.text(error.reason),
        error.key,
        redactor.text(error.hint),
        error.raw,
    )


def redact_rejects(library: Path, parent: str, folder: Path, sources: Iterable[str], redactor: Redactor) -> None:
    """Take over to *folder* what the release *parent* could not read of *sources*, as far as it may be kept."""
    for slug in sources:
        listing = library / "rejected" / slug / f"{parent}.jsonl"
        if not listing.is_file():
            continue
        writer = RejectWriter(folder, slug, "carried")
        with listing.open("rb") as lines:
            for line in lines:
                reject = _REJECT.decode(line)
                if reject.reason.startswith(_CONFLICT):
                    continue  # Decided again, and told again.
                if reject.reason == REDACTED:
                    writer.write_redacted(redactor.file_name(reject.file), reject.line)
                    continue
                raw = base64.b64decode(reject.raw_base64) if reject.raw_base64 else reject.raw.encode()
                error = RecordError(reject.file, reject.line, reject.reason, reject.key, reject.hint, raw)
                writer.write_error(redacted_error(redactor, error, slug))
        writer.close()


def carry_rejects(
    library: Path, parent: str, folder: Path, sources: Iterable[str], decided: Mapping[tuple[str, str], set[str]]
) -> None:
    """Take over to *folder* what the release *parent* had not taken of *sources*.

    *decided* are the keys, by source and kind of record, whose conflicts were decided again: those are told anew.
    """
    for slug in sources:
        listing = library / "rejected" / slug / f"{parent}.jsonl"
        if not listing.is_file():
            continue
        target = folder / slug / "carried.jsonl"
        target.parent.mkdir(parents=True, exist_ok=True)
        keys = {kind: decided.get((slug, kind), set()) for kind in ("paper", "cluster-page")}
        with listing.open("rb") as lines, target.open("wb") as output:
            output.writelines(line for line in lines if not (any(keys.values()) and _is_decided(line, keys)))


def _is_decided(line: bytes, keys: Mapping[str, set[str]]) -> bool:
    reject = _REJECT.decode(line)
    if not reject.reason.startswith(_CONFLICT):
        return False
    kind = "cluster-page" if _KIND.decode(reject.raw).record == "cluster-page" else "paper"
    return reject.key in keys[kind]


class _Reject(msgspec.Struct):
    key: str
    reason: str
    raw: str = "{}"
    raw_base64: str = ""
    file: str = ""
    line: str = ""
    hint: str = ""


class _Kind(msgspec.Struct):
    record: str = "paper"


_REJECT = msgspec.json.Decoder(_Reject)
_KIND = msgspec.json.Decoder(_Kind)


def publish_rejects(folder: Path, library: Path, name: str) -> list[Path]:
    """Join the rejects of each source into `rejected/<source>/<name>.jsonl` of the library; the files written."""
    written = []
    for source in sorted(folder.iterdir()) if folder.is_dir() else []:
        target = library / "rejected" / source.name / f"{name}.jsonl"
        make_folder(target.parent)
        with target.open("wb") as output:
            for piece in sorted(source.iterdir()):
                with piece.open("rb") as file:
                    shutil.copyfileobj(file, output)
        sync_file(target)
        sync_folder(target.parent)
        written.append(target)
    return written
