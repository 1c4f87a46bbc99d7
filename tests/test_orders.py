"""Searches and the like by processes that give way: fair turns, the same answers, and nothing lost with a process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from quiver.config import Settings
from quiver.releases import build
from quiver.web.crawlers import is_order
from quiver.web.orders import Turns
from tests.browsing import make_app
from tests.sample import write_sample
from tests.serving import Server, fetch, serving
from tests.test_evaluation import wait_until

_PAGES: Final = (
    "/search?q=learning&kind=paper",
    "/search.json?q=zhao",
    "/name/pat_many.html?page=2",
    "/queries/name/coauthors?cluster=name/andrew_zhao",
    "/queries/name/papers.csv?cluster=name/andrew_zhao",
    "/search?q=a&page=x",
    "/name/pat_many?x=1",
)


@pytest.fixture(scope="module")
def server(web_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(web_library, tmp_path_factory.mktemp("orders"), order_workers=1, web_workers=1) as running:
        wait_until(lambda: order_process(running) is not None and socket_of(running).exists())
        yield running


def socket_of(server: Server) -> Path:
    return next(server.temporary.glob("quiver-*")) / "orders-0"


def order_process(server: Server) -> psutil.Process | None:
    return next((one for one in server.processes() if "quiver.web.order_process" in one.cmdline()), None)


def spent_s(process: psutil.Process | None) -> float:
    assert process is not None
    times = process.cpu_times()
    return float(times.user + times.system)


def test_clients_take_turns() -> None:
    """One of 50 connections waits behind its own others, not before everybody else's."""

    async def run() -> list[str]:
        turns, order = Turns(1), []

        async def work(client: str) -> None:
            await turns.take(client)
            order.append(client)
            await asyncio.sleep(0)
            turns.give_back()

        await asyncio.gather(*(work(client) for client in ["a"] * 5 + ["b", "c"]))
        return order

    assert asyncio.run(run()) == ["a", "a", "b", "c", "a", "a", "a"]


def test_who_is_told_to_stop_leaves_no_place_empty() -> None:
    async def run() -> None:
        turns = Turns(1)
        await turns.take("a")
        waiting = asyncio.create_task(turns.take("b"))
        await asyncio.sleep(0)
        turns.give_back()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(turns.take("c"), 1)

    asyncio.run(run())


@pytest.mark.parametrize("path", _PAGES)
def test_an_order_is_answered_as_flask_answers_it(server: Server, web_library: Path, path: str) -> None:
    assert is_order(*path.partition("?")[::2])
    accept = {"Accept": "text/html", "Host": "localhost"}
    status, headers, body = fetch(server.port, path, accept)
    response = make_app(web_library).test_client().get(path, headers=accept)
    assert (status, body) == (response.status_code, response.get_data())
    for name in ("content-type", "etag", "vary", "x-robots-tag", "location", "content-security-policy", "link"):
        assert headers.get(name) == response.headers.get(name), name


def test_orders_are_made_by_the_process_that_gives_way(server: Server) -> None:
    process = order_process(server)
    assert process is not None
    assert process.nice() == 10
    before = spent_s(process)
    for number in range(40):
        assert fetch(server.port, f"/search?q=learning&kind=paper&x={number}")[0] == 200
    assert spent_s(process) > before
    counted = fetch(server.port, "/metrics")[2].decode()
    assert any(line.startswith('quiver_requests_total{area="search"') for line in counted.splitlines())


def test_pages_for_everybody_are_not_orders(server: Server) -> None:
    before = spent_s(order_process(server))
    for number in range(40):
        assert fetch(server.port, f"/name/person_number{number}.html")[0] == 200
    assert spent_s(order_process(server)) - before < 0.1


def test_a_long_answer_is_sent_as_before(server: Server) -> None:
    status, _, body = fetch(server.port, "/name/pat_many.bib?page=1")
    assert status == 200
    assert body.decode().count("@") == 120


def test_searches_go_on_when_the_process_is_lost(server: Server) -> None:
    lost = order_process(server)
    assert lost is not None
    lost.kill()
    for number in range(8):
        assert fetch(server.port, f"/search?q=zero&kind=paper&x=lost{number}")[0] == 200
    wait_until(lambda: (found := order_process(server)) is not None and found.pid != lost.pid)
    process = order_process(server)

    def is_at_work() -> bool:
        before = spent_s(process)
        for number in range(20):
            assert fetch(server.port, f"/search?q=zero&kind=paper&x={before}-{number}")[0] == 200
        return spent_s(process) > before

    wait_until(is_at_work)


def test_a_new_release_is_searched_as_soon_as_its_pages_are_served(tmp_path: Path) -> None:
    library = tmp_path / "library"
    first = build(library, write_sample(tmp_path), settings=Settings(jobs=1)).release
    with serving(library, tmp_path / "server", order_workers=1, release_poll_s=0.2) as server:
        wait_until(lambda: fetch(server.port, "/search.json?q=zebrafish")[0] == 200)
        more = tmp_path / "more.jsonl"
        more.write_text(json.dumps({"key": "z", "title": "Zebrafish", "authors": ["A B"], "year": 2020}) + "\n")
        second = build(library, [*write_sample(tmp_path), more], settings=Settings(jobs=1)).release
        assert second.id != first.id
        # Both processes of pages, whichever is asked.
        wait_until(lambda: all(second.id.encode() in fetch(server.port, "/health")[2] for _ in range(8)))
        for number in range(8):
            found = json.loads(fetch(server.port, f"/search.json?q=zebrafish&x={number}")[2])
            assert found["total"] == 1


def test_no_process_is_left_behind(web_library: Path, tmp_path: Path) -> None:
    with serving(web_library, tmp_path, order_workers=2) as server:
        pids = [one.pid for one in server.processes() if "quiver.web.order_process" in one.cmdline()]
        assert len(pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)
