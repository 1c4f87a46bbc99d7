"""A few hundred attacks on a real server, always the same ones; `python -m tests.fuzz` makes thousands of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from tests.fuzz.attacks import ATTACKS, HOLDS, attack
from tests.fuzz.campaign import LIMITS, Holdings, holdings, leaks, make_requests, run
from tests.fuzz.judging import Answer, faults
from tests.fuzz.requests import HttpRequest, requests
from tests.serving import Server, serving

_CASES = 300
_SEED = 2
# A machine under load answers late; that nothing hangs is what is tested here, `python -m tests.fuzz` tests how long.
_PATIENCE_S = 60.0
# Connections that the processes keep for the next request.
_POOLED = 32


@pytest.fixture(scope="module")
def server(web_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(web_library, tmp_path_factory.mktemp("fuzz"), **LIMITS) as running:
        yield running


@pytest.fixture(scope="module")
def before(server: Server) -> Holdings:
    """What the server holds once everything in it has been used."""
    run(server, make_requests(40, 0), _PATIENCE_S)
    return holdings(server)


def test_whatever_is_asked_has_a_proper_answer(server: Server, before: Holdings) -> None:
    report = run(server, make_requests(_CASES, _SEED), _PATIENCE_S)
    assert not report.findings, "\n".join(map(str, report.findings[:10]))
    # The generator reaches what it is meant to reach.
    reached = {status.partition(" ")[2] for status in report.statuses}
    assert {"malformed-query", "query-refused", "not-found", "not-acceptable", "bad-request"} <= reached
    assert report.statuses["200"] > _CASES / 10


@pytest.mark.parametrize("name", ATTACKS)
def test_raw_bytes_end_in_an_error_or_a_close(server: Server, before: Holdings, name: str) -> None:
    assert list(attack(server, name)) == []


@pytest.mark.parametrize("name", HOLDS)
def test_who_holds_connections_does_not_stop_the_service(server: Server, before: Holdings, name: str) -> None:
    assert list(HOLDS[name](server)) == []


def test_nothing_is_left_behind(server: Server, before: Holdings) -> None:
    """After all of the above: no worker, descriptor, thread or spool file more than before."""
    assert leaks(server, before, _POOLED, _PATIENCE_S) == []
    assert b"Traceback" not in server.log.read_bytes()


@given(requests())
@hypothesis_settings(max_examples=50)
def test_what_is_printed_to_replay_a_request_is_the_request(request: HttpRequest) -> None:
    assert HttpRequest.of_text(request.to_text()) == request


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, {"content-type": "application/problem+json"}, b'{"code": "internal-error"}'),
        Answer(503, {"content-type": "application/problem+json"}, b'{"code": "worker-lost"}'),
        Answer(200, {"content-type": "application/json", "content-length": "2"}, b"{"),
        Answer(200, {"content-type": "application/sparql-results+xml"}, b"<a/>"),
        Answer(400, {"content-type": "application/problem+json"}, b'{"code": "surprise"}'),
        Answer(404, {}, b""),
        Answer(fault="no answer within 4 s"),
    ],
)
def test_the_judge_sees_what_is_wrong(answer: Answer) -> None:
    assert list(faults(HttpRequest("GET", b"/"), answer))
