"""JSON Lines: the project's interchange form, one JSON object a line.

The form is liberal in what it takes, so that sets in the wild need no conversion: authors are strings or objects; the
words of several sources for one thing are aliases (`booktitle`, `aff`, `first`); arrays that run parallel to the
authors (`authorids`, `orcid`, `aff` ...) are dealt out to them. Whatever else a record holds is kept as a stated field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from quiver.errors import InvalidRecord
from quiver.readers.base import Reader
from quiver.readers.streams import SourceStream
from quiver.records import Located, Read, RecordError, item_from_json

_BOM = b"\xef\xbb\xbf"
_OBJECT = re.compile(rb'\s*\{\s*(?:"|\}|\Z)')
_DECODER = msgspec.json.Decoder()


def _recognises(head: bytes) -> bool:
    # One bad line, be it the first, does not make the file another format.
    lines = [line for line in head.removeprefix(_BOM).splitlines() if line.strip()]
    objects = sum(1 for line in lines if _OBJECT.match(line))
    return bool(lines) and (bool(_OBJECT.match(lines[0])) or 2 * objects >= len(lines))


def _read(stream: SourceStream, max_bytes: int) -> Iterator[Read]:
    for number, raw in stream.lines(max_bytes):
        line = raw.removeprefix(_BOM).strip() if number == 1 else raw.strip()
        if not line:
            continue
        locator = str(number)
        if len(raw) > max_bytes:
            yield RecordError(
                stream.name,
                locator,
                f"the line is longer than {max_bytes:,} bytes",
                hint="Raise the setting max_record_bytes.",
                raw=raw,
            )
            continue
        try:
            value = _DECODER.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield RecordError(stream.name, locator, f"no valid JSON: {error}", raw=raw)
            continue
        try:
            yield Located(item_from_json(value), locator)
        except InvalidRecord as error:
            key = value.get("key") if isinstance(value, dict) else None
            yield RecordError(stream.name, locator, error.message, key if isinstance(key, str) else "", error.hint, raw)


READER = Reader(
    name="jsonl",
    title="JSON Lines, Quiver's interchange form",
    endings=(".jsonl", ".ndjson", ".json"),
    source="",
    recognises=_recognises,
    read=_read,
    splits=True,
)
