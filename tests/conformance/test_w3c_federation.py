"""The W3C's suites about SERVICE, with endpoints of our own in place of example.org's; and their refusal by default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.endpoint import Endpoint
from tests.conformance.exceptions import not_applicable
from tests.conformance.ledger import Ledger
from tests.conformance.manifests import PUBLISHED, Case, DataFile
from tests.conformance.remote import remote_endpoints
from tests.conformance.running import fault_in_engine, fault_through_http
from tests.conformance.test_w3c_queries import ABSENT, CASES, FEDERATION

_HOSTS: Final = re.compile(r"http://((?:example\d?|invalid\.endpoint)\.org)/sparql")
_FEDERATED: Final = [case for case in CASES if case.suite in FEDERATION]


@dataclass(frozen=True, slots=True)
class Federation:
    """A server that may ask the endpoints below `root`."""

    server: Endpoint
    root: str


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    files: dict[str, Path | None] = {"syntax-fed": None}
    for case in _FEDERATED:
        for address, path in case.endpoints:
            host = _HOSTS.fullmatch(address)
            assert host is not None
            files[f"{_name(case)}.{host.group(1)}"] = path
    absent = [f"{_name(case)}.invalid.endpoint.org" for case in _FEDERATED]
    with remote_endpoints(files) as root:
        allowed = [f"{root}syntax-fed/g", *(f"{root}{name}/sparql" for name in (*files, *absent))]
        with Endpoint(tmp_path_factory.mktemp("federation"), QUIVER_SERVICE_ALLOW=" ".join(allowed)) as server:
            yield Federation(server, root)


def _name(case: Case) -> str:
    return case.iri.rpartition("#")[2]


def _rewritten(case: Case, root: str, folder: Path) -> Case:
    """*case* with endpoints that there are below *root*."""

    def rewrite(path: Path) -> Path:
        target = folder / path.name
        text = path.read_text(encoding="utf-8")
        target.write_text(_HOSTS.sub(rf"{root}{_name(case)}.\1/sparql", text), encoding="utf-8")
        return target

    return replace(
        case,
        query=rewrite(case.query),
        # A relative endpoint, <g>, is one of ours as well.
        query_iri=case.query_iri.replace(f"{PUBLISHED}sparql11/syntax-fed/", f"{root}syntax-fed/"),
        data=tuple(DataFile(rewrite(one.path), one.iri, one.is_named) for one in case.data),
    )


@ABSENT
@pytest.mark.parametrize("case", [case for case in _FEDERATED if not not_applicable(case)], ids=lambda case: case.id)
def test_service_reaches_endpoints_that_are_allowed(
    case: Case, federation: Federation, ledger: Ledger, tmp_path: Path
) -> None:
    changed = _rewritten(case, federation.root, tmp_path)
    through_http, in_engine = fault_through_http(changed, federation.server), fault_in_engine(changed)
    ledger.record(case.iri, case.suite, "failed" if through_http else "passed", through_http)
    assert through_http == "", f"alone, the engine gives: {in_engine or 'what is expected'}"


@ABSENT
@pytest.mark.parametrize("case", _FEDERATED, ids=lambda case: case.id)
def test_service_is_refused_by_default(case: Case, endpoint: Endpoint, ledger: Ledger) -> None:
    reply = endpoint.ask(case.text, "*/*")
    assert (reply.status, reply.problem) == (403, "query-refused")
    if reason := not_applicable(case):
        ledger.record(case.iri, case.suite, "inapplicable", reason)
