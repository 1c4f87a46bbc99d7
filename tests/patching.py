"""RDF Patch as a consumer reads it: written from its description alone, so that it checks what we write."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph

from quiver.releases import Release, write_difference

_HEADER = re.compile(r"H ([a-z]+) <([^<>]*)> \.")
_CHANGE = re.compile(r"([AD]) (.* \.)")


@dataclass(frozen=True)
class Patch:
    """The two ends of a patch, and its operations in order: add or not, and the statement."""

    before: str
    now: str
    changes: tuple[tuple[bool, str], ...]

    @classmethod
    def parse(cls, text: bytes) -> Patch:
        lines = text.decode("utf-8").split("\n")
        assert lines.pop() == ""
        head = {match[1]: match[2] for match in map(_HEADER.fullmatch, lines[:2]) if match}
        assert set(head) == {"id", "prev"}
        assert (lines[2], lines[-1]) == ("TX .", "TC .")
        found = [_CHANGE.fullmatch(line) for line in lines[3:-1]]
        assert all(found)
        return cls(head["prev"], head["id"], tuple((match[1] == "A", match[2]) for match in found if match))

    def apply_to_lines(self, lines: set[str]) -> None:
        """Apply it to the lines of a dump; what goes must be there, what comes must not."""
        for add, line in self.changes:
            assert (line in lines) != add, line
            if add:
                lines.add(line)
            else:
                lines.remove(line)

    def apply_to_store(self, store: pyoxigraph.Store) -> None:
        for add, line in self.changes:
            (quad,) = pyoxigraph.parse(input=line.encode(), format=pyoxigraph.RdfFormat.N_QUADS)
            if add:
                store.add(quad)
            else:
                store.remove(quad)


def difference(before: Release, now: Release, folder: Path, form: str = "patch") -> bytes:
    """What leads from one release to the other."""
    output = io.BytesIO()
    write_difference(before, now, form, output, folder / "comparing")
    assert not (folder / "comparing").exists()
    return output.getvalue()
