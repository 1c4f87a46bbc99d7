"""Queries from an event loop: in lent workers while they are short, and by the broker's rules when they are not."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from quiver.config import Settings
from quiver.errors import BadRequest, MalformedQuery, MemoryLimit, QueryTimeout, WorkerLost
from quiver.evaluation import AsyncEvaluator, BrokerHandle, QueryRequest, start_broker
from quiver.evaluation.lending import CAN_LEND
from tests.test_evaluation import ALL, ENDLESS, FORMATS, ONE, PROPERTIES, SUBJECTS, make_store

pytestmark = pytest.mark.skipif(not CAN_LEND, reason="no pidfd_open on this platform: workers are not lent")

SETTINGS = Settings(query_workers=2, query_memory_bytes=300_000_000, log_level="CRITICAL")
SORT = "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } ORDER BY ?a ?d ?g"
Scene = Callable[[AsyncEvaluator], Awaitable[None]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("lending") / "store")


@pytest.fixture
def broker() -> Iterator[BrokerHandle]:
    with start_broker(SETTINGS) as handle:
        yield handle


def play(broker: BrokerHandle, scene: Scene) -> None:
    async def run() -> None:
        evaluator = AsyncEvaluator(broker.socket_path, SETTINGS, asyncio.get_running_loop())
        try:
            await scene(evaluator)
        finally:
            evaluator.close()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def rows(evaluator: AsyncEvaluator, store: Path, text: str = ONE) -> int | None:
    with await evaluator.submit(QueryRequest(text, store, FORMATS)).result() as answer:
        assert len(answer.read()) == answer.size
        return answer.rows


def test_short_queries_do_not_go_by_the_broker(broker: BrokerHandle, store: Path) -> None:
    async def scene(evaluator: AsyncEvaluator) -> None:
        with broker.evaluator() as watching:
            assert await rows(evaluator, store) == PROPERTIES  # the first opens the store
            before = watching.status()
            for _ in range(50):
                assert await rows(evaluator, store) == PROPERTIES
            # On a busy machine some may take long enough to be adopted.
            assert watching.status().answered - before.answered < 50
            many = [rows(evaluator, store, ALL) for _ in range(20)]
            assert await asyncio.gather(*many) == [SUBJECTS * PROPERTIES] * 20

    play(broker, scene)
    with broker.evaluator() as watching:
        # The process that had borrowed is gone: its workers were killed, and replaced.
        status = watching.status()
        assert (status.lent, status.running) == (0, 0)


def test_an_error_costs_nothing_but_its_query(broker: BrokerHandle, store: Path) -> None:
    async def scene(evaluator: AsyncEvaluator) -> None:
        for _ in range(5):
            with pytest.raises(MalformedQuery):
                await rows(evaluator, store, "SELECT")
            assert await rows(evaluator, store) == PROPERTIES

    play(broker, scene)


def test_a_long_query_is_adopted_and_ends_at_its_deadline(broker: BrokerHandle, store: Path) -> None:
    async def scene(evaluator: AsyncEvaluator) -> None:
        with broker.evaluator() as watching:
            await rows(evaluator, store)
            request = QueryRequest(ENDLESS, store, FORMATS, timeout_s=0.5)
            with pytest.raises(QueryTimeout) as caught:
                await evaluator.submit(request).result()
            assert caught.value.value == 0.5
            status = watching.status()
            assert status.running == 0
            assert status.timed_out == 1
            assert await rows(evaluator, store) == PROPERTIES

    play(broker, scene)


@pytest.mark.parametrize("timeout_s", [0.0001, 0.01])
def test_a_deadline_shorter_than_patience_holds(broker: BrokerHandle, store: Path, timeout_s: float) -> None:
    async def scene(evaluator: AsyncEvaluator) -> None:
        await rows(evaluator, store)
        with pytest.raises(QueryTimeout):
            await evaluator.submit(QueryRequest(ENDLESS, store, FORMATS, timeout_s=timeout_s)).result()

    play(broker, scene)


@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.2])
def test_what_is_cancelled_stops_wherever_it_is(broker: BrokerHandle, store: Path, after_s: float) -> None:
    async def scene(evaluator: AsyncEvaluator) -> None:
        with broker.evaluator() as watching:
            await rows(evaluator, store)
            pending = [evaluator.submit(QueryRequest(ENDLESS, store, FORMATS, client=str(n))) for n in range(6)]
            await asyncio.sleep(after_s)
            for one in pending:
                one.cancel()
                with pytest.raises(WorkerLost):
                    await one.result()
            await until(lambda: (watching.status().running, watching.status().waiting) == (0, 0))
            assert await rows(evaluator, store) == PROPERTIES

    play(broker, scene)


def test_a_lent_worker_that_is_killed_loses_its_query_only(broker: BrokerHandle, store: Path) -> None:
    async def scene(evaluator: AsyncEvaluator) -> None:
        with broker.evaluator() as watching:
            await rows(evaluator, store)
            for pid in watching.status().workers:
                os.kill(pid, signal.SIGKILL)
            for _ in range(5):
                # Idle workers that die cost no query at all, unless one is asked before their end is noticed.
                try:
                    assert await rows(evaluator, store) == PROPERTIES
                except WorkerLost:
                    continue
            assert await rows(evaluator, store) == PROPERTIES

    play(broker, scene)


def test_running_out_of_memory_is_named_as_that(broker: BrokerHandle, store: Path) -> None:
    async def scene(evaluator: AsyncEvaluator) -> None:
        await rows(evaluator, store)
        with pytest.raises(MemoryLimit):
            await rows(evaluator, store, SORT)
        assert await rows(evaluator, store) == PROPERTIES

    play(broker, scene)


def test_lent_workers_are_given_back_to_who_asks_the_broker(broker: BrokerHandle, store: Path) -> None:
    async def scene(evaluator: AsyncEvaluator) -> None:
        with broker.evaluator() as watching:
            while not watching.status().lent:
                await rows(evaluator, store)
            others = [watching.submit(QueryRequest(ENDLESS, store, FORMATS, client=str(n))) for n in range(3)]
            await until(lambda: watching.status().lent == 0)
            assert watching.status().running == 3
            assert await rows(evaluator, store) == PROPERTIES
            for one in others:
                one.cancel()
                with pytest.raises(WorkerLost):
                    one.result()

    play(broker, scene)


def test_a_query_that_has_to_go_for_another_clients_is_answered_all_the_same(broker: BrokerHandle, store: Path) -> None:
    async def run() -> None:
        settings = SETTINGS.replace(query_queue=4)
        evaluator = AsyncEvaluator(broker.socket_path, settings, asyncio.get_running_loop())
        await rows(evaluator, store)
        many = [evaluator.submit(QueryRequest(ALL, store, FORMATS, client="hog")) for _ in range(12)]
        one = evaluator.submit(QueryRequest(ONE, store, FORMATS, client="other"))
        for pending in (one, *many):
            async with asyncio.timeout(60):
                (await pending.result()).close()
        evaluator.close()

    asyncio.run(run())


@pytest.mark.parametrize("size", [300_000, 900_000])
def test_no_worker_is_lost_when_a_long_query_is_cancelled(broker: BrokerHandle, store: Path, size: int) -> None:
    async def scene(evaluator: AsyncEvaluator) -> None:
        with broker.evaluator() as watching:
            await rows(evaluator, store)
            for number in range(4):
                text = f"{ENDLESS} # {number}" + "x" * size
                pending = evaluator.submit(QueryRequest(text, store, FORMATS, client=str(number)))
                await asyncio.sleep(0.15)
                pending.cancel()
                with pytest.raises(WorkerLost):
                    await pending.result()
            await until(lambda: watching.status().running == 0)
            # What is lent is what this process knows of, and it gives back what it does not use.
            await until(lambda: watching.status().lent == 0)
            assert await rows(evaluator, store) == PROPERTIES

    play(broker, scene)


def test_a_request_beyond_what_the_broker_takes_is_refused_before(broker: BrokerHandle, store: Path) -> None:
    async def scene(evaluator: AsyncEvaluator) -> None:
        graphs = tuple(f"http://e/{'x' * 1000}/{number}" for number in range(6000))
        with pytest.raises(BadRequest):
            await evaluator.submit(QueryRequest(ONE, store, FORMATS, default_graphs=graphs)).result()

    play(broker, scene)


def test_a_query_that_waits_for_a_lent_worker_ends_at_its_deadline(broker: BrokerHandle, store: Path) -> None:
    async def scene(evaluator: AsyncEvaluator) -> None:
        await rows(evaluator, store)
        many = [evaluator.submit(QueryRequest(ALL, store, FORMATS)) for _ in range(40)]
        late = evaluator.submit(QueryRequest(ONE, store, FORMATS, timeout_s=0.000001))
        with pytest.raises(QueryTimeout):
            await late.result()
        for one in many:
            (await one.result()).close()

    play(broker, scene)


def test_a_broker_that_says_nothing_is_not_waited_for(tmp_path: Path, store: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "broker"))
        silent.listen()

        async def run() -> None:
            evaluator = AsyncEvaluator(tmp_path / "broker", SETTINGS, asyncio.get_running_loop())
            pending = evaluator.submit(QueryRequest(ONE, store, FORMATS))
            # After a second it goes by the broker's other door, where the deadline and some grace hold.
            await asyncio.sleep(1.5)
            pending.cancel()
            with pytest.raises(WorkerLost):
                await pending.result()
            evaluator.close()

        asyncio.run(run())
        borrowing, _ = silent.accept()
        asking, _ = silent.accept()
        with borrowing, asking:
            assert ONE.encode() in asking.recv(10_000)


def test_a_broker_that_is_gone_is_an_error_and_not_a_wait(store: Path) -> None:
    with start_broker(SETTINGS) as broker:

        async def scene(evaluator: AsyncEvaluator) -> None:
            await rows(evaluator, store)
            broker.stop()
            with pytest.raises(WorkerLost):
                await rows(evaluator, store)

        play(broker, scene)
