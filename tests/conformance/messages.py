"""The HTTP messages that the manifests about protocols describe, in the vocabularies `ht:` and `cnt:`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conformance.manifests import MF, DataFile, Manifest, Node

_HT: Final = "http://www.w3.org/2011/http#"
_CNT: Final = "http://www.w3.org/2011/content#"
_UT: Final = "http://www.w3.org/2009/sparql/tests/test-update#"
_LABEL: Final = "http://www.w3.org/2000/01/rdf-schema#label"
_STATUS: Final = {"OK": (200,), "Created": (201,), "NoContent": (204,), "NotFound": (404,)}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, and what the response has to be: one of `statuses`, and a `format`, `boolean` and body where given."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None
    statuses: frozenset[int]
    format: str = ""
    boolean: str = ""
    content_type: str = ""
    graph: str = ""
    location: str = ""

    @property
    def writes(self) -> bool:
        """Whether the method is one that changes a graph store."""
        return self.method in ("PUT", "POST", "DELETE", "PATCH")


@dataclass(frozen=True, slots=True)
class Conversation:
    """One test: exchanges in order, over the named graphs `data`."""

    iri: str
    name: str
    suite: str
    exchanges: tuple[Exchange, ...]
    data: tuple[DataFile, ...] = ()

    @property
    def id(self) -> str:
        return self.iri.rpartition("#")[2]


def read_conversations(path: Path, root: Path) -> Iterator[Conversation]:
    """The tests of the manifest *path* that are made of HTTP messages."""
    manifest = Manifest(path, root)
    for test in manifest.entries():
        action = manifest.one(test, f"{MF}action")
        if action is None:
            continue
        head = manifest.one(action, f"{_HT}requests")
        assert head is not None
        yield Conversation(
            iri=test.value,
            name=manifest.text(test, f"{MF}name"),
            suite=manifest.suite,
            exchanges=tuple(_exchange(manifest, request) for request in manifest.members(head)),
            data=tuple(
                DataFile(manifest.file(manifest.text(one, f"{_UT}graph")), manifest.text(one, _LABEL), True)
                for one in manifest.all(test, f"{_UT}graphData")
            ),
        )


def _exchange(manifest: Manifest, request: Node) -> Exchange:
    response = manifest.one(request, f"{_HT}resp")
    assert response is not None
    wanted = manifest.one(response, f"{_HT}body")
    return Exchange(
        method=manifest.text(request, f"{_HT}methodName"),
        target=manifest.text(request, f"{_HT}absolutePath"),
        headers=_headers(manifest, request),
        body=_body(manifest, request),
        statuses=frozenset(
            status
            for node in manifest.all(response, f"{MF}expectedStatus")
            for status in _statuses(str(node).strip("<>").rpartition("#")[2])
        ),
        format=manifest.text(response, f"{MF}expectedFormat"),
        boolean=manifest.text(response, f"{MF}expectedBoolean"),
        content_type=_headers(manifest, response).get("content-type", ""),
        graph=manifest.text(wanted, f"{_CNT}chars") if wanted is not None else "",
        location=manifest.text(response, f"{MF}expectedLocation"),
    )


def _headers(manifest: Manifest, message: Node) -> dict[str, str]:
    head = manifest.one(message, f"{_HT}headers")
    fields = manifest.members(head) if head is not None else ()
    return {manifest.text(one, f"{_HT}fieldName").lower(): manifest.text(one, f"{_HT}fieldValue") for one in fields}


def _body(manifest: Manifest, message: Node) -> bytes | None:
    body = manifest.one(message, f"{_HT}body")
    if body is None:
        return None
    return manifest.text(body, f"{_CNT}chars").encode(manifest.text(body, f"{_CNT}characterEncoding"))


def _statuses(name: str) -> range | tuple[int, ...]:
    if name.startswith("StatusCode"):
        first = 100 * int(name.removeprefix("StatusCode")[0])
        return range(first, first + 100)
    return _STATUS[name]
