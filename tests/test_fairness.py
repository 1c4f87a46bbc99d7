"""Clients that share the workers: whoever keeps them busy keeps nobody else out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from quiver.config import Settings
from quiver.errors import Overloaded, WorkerLost
from quiver.evaluation import BrokerHandle, Evaluator, PendingAnswer, QueryRequest, start_broker
from tests.test_evaluation import ENDLESS, FORMATS, ONE, PROPERTIES, make_store, wait_until


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("fairness") / "store")


@pytest.fixture
def broker() -> Iterator[BrokerHandle]:
    with start_broker(Settings(query_workers=2, query_queue=3, log_level="ERROR")) as handle:
        yield handle


@pytest.fixture
def evaluator(broker: BrokerHandle) -> Iterator[Evaluator]:
    with broker.evaluator() as client:
        yield client


class Asking:
    """Asks in the name of a client; what still runs is stopped at the end."""

    def __init__(self, evaluator: Evaluator, store: Path) -> None:
        self.evaluator, self.store = evaluator, store
        self.pending: list[PendingAnswer] = []

    def endless(self, client: str) -> PendingAnswer:
        pending = self.evaluator.submit(QueryRequest(ENDLESS, self.store, FORMATS, client=client))
        self.pending.append(pending)
        return pending

    def rows(self, client: str) -> int | None:
        with self.evaluator.evaluate(QueryRequest(ONE, self.store, FORMATS, client=client)) as answer:
            return answer.rows


@pytest.fixture
def ask(evaluator: Evaluator, store: Path) -> Iterator[Asking]:
    asking = Asking(evaluator, store)
    yield asking
    for pending in asking.pending:
        pending.cancel()
        with pytest.raises((WorkerLost, Overloaded)):
            pending.result()


def test_a_client_without_a_running_query_gets_in_at_once(ask: Asking, evaluator: Evaluator) -> None:
    for _ in range(4):
        ask.endless("hog")
    wait_until(lambda: (evaluator.status().running, evaluator.status().waiting) == (2, 2))
    for number in range(20):
        assert ask.rows(f"reader {number}") == PROPERTIES
    assert (evaluator.status().running, evaluator.status().waiting) == (2, 2)


def test_the_extra_place_changes_hands(ask: Asking, evaluator: Evaluator) -> None:
    for client in ("one", "one"):
        ask.endless(client)
    wait_until(lambda: evaluator.status().running == 2)
    ask.endless("two")
    wait_until(lambda: evaluator.status().running == 3)
    # After its second the third gives the place to whoever comes next, waits, and is not lost.
    assert ask.rows("reader") == PROPERTIES
    status = evaluator.status()
    assert (status.moved, status.running, status.waiting) == (1, 2, 1)
    ask.pending[0].cancel()
    wait_until(lambda: (evaluator.status().running, evaluator.status().waiting) == (2, 0))


def test_a_full_queue_refuses_whoever_has_most(ask: Asking, evaluator: Evaluator) -> None:
    hog = [ask.endless("hog") for _ in range(5)]
    wait_until(lambda: (evaluator.status().running, evaluator.status().waiting) == (2, 3))
    other = [ask.endless("other") for _ in range(2)]  # the first runs at once, the second waits
    with pytest.raises(Overloaded):
        hog[-1].result()
    ask.pending.remove(hog[-1])
    wait_until(lambda: (evaluator.status().running, evaluator.status().waiting) == (3, 3))
    assert evaluator.status().refused == 1
    other[0].cancel()


def test_long_queries_give_way_on_the_processor(ask: Asking, evaluator: Evaluator) -> None:
    ask.endless("hog")
    wait_until(lambda: 19 in [os.getpriority(os.PRIO_PROCESS, pid) for pid in evaluator.status().workers])
    before = evaluator.status().workers
    ask.pending[0].cancel()
    wait_until(lambda: len(set(before) & set(evaluator.status().workers)) == len(before) - 1)
    # The one that gave way is gone, since that cannot be taken back.
    wait_until(lambda: len(evaluator.status().workers) == len(before))
    assert 19 not in [os.getpriority(os.PRIO_PROCESS, pid) for pid in evaluator.status().workers]
