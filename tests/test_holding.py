"""A release in memory that workers share: used when it fits, the same answers, and nothing lost when it goes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from quiver.config import Settings
from quiver.errors import MemoryLimit, QueryTimeout
from quiver.evaluation import BrokerHandle, Evaluator, QueryRequest, start_broker
from quiver.evaluation.holding import BYTES_PER_QUAD, CAN_HOLD, fits
from quiver.releases import Library
from tests.test_evaluation import FORMATS, PROPERTIES, SUBJECTS, is_gone, make_store, wait_until

pytestmark = pytest.mark.skipif(not CAN_HOLD, reason="only Linux lets a process adopt the children of another")

COUNT = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"
# All pairs of statements, one at a time: hours of work in little memory.
LONG = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f FILTER(STRLEN(CONCAT(STR(?c), STR(?f))) < 0) }"
SORT = "SELECT * { ?a ?b ?c . ?d ?e ?f } ORDER BY ?c ?a ?d ?f"


@pytest.fixture(scope="module")
def store(web_library: Path) -> Path:
    return Library(web_library).current().store_path


@pytest.fixture
def broker() -> Iterator[BrokerHandle]:
    settings = Settings(query_shared_bytes=1_000_000_000, query_memory_bytes=200_000_000, log_level="CRITICAL")
    with start_broker(settings) as handle:
        yield handle


@pytest.fixture
def evaluator(broker: BrokerHandle) -> Iterator[Evaluator]:
    with broker.evaluator() as client:
        yield client


def count(evaluator: Evaluator, store: Path) -> int:
    with evaluator.evaluate(QueryRequest(COUNT, store, FORMATS)) as answer:
        return int(json.loads(answer.read())["results"]["bindings"][0]["n"]["value"])


def share(evaluator: Evaluator, store: Path) -> int:
    """The number of quads, once all workers share them."""
    quads = count(evaluator, store)
    wait_until(lambda: evaluator.status().sharing == len(evaluator.status().workers) == 4)
    assert count(evaluator, store) == quads
    return quads


def test_it_fits_only_where_every_worker_could_have_a_copy(store: Path, tmp_path: Path) -> None:
    quads = Library(store.parents[2]).current().manifest.quads
    needed = quads * BYTES_PER_QUAD * 5
    assert fits(str(store), 4, needed)
    assert not fits(str(store), 4, needed - 1)
    assert not fits(str(store), 4, 0)
    assert not fits(str(tmp_path / "store"), 4, 10**12)


def test_what_does_not_fit_is_answered_from_disk(store: Path) -> None:
    with start_broker(Settings(query_shared_bytes=1000)) as broker, broker.evaluator() as evaluator:
        assert count(evaluator, store) > 0
        assert evaluator.status().sharing == 0


def test_workers_share_the_release_and_give_the_same_answers(evaluator: Evaluator, store: Path) -> None:
    quads = share(evaluator, store)
    assert quads == Library(store.parents[2]).current().manifest.quads
    for pid in evaluator.status().workers:
        assert not [file.path for file in psutil.Process(pid).open_files() if str(store) in file.path]


def test_limits_hold_for_them_too(evaluator: Evaluator, store: Path) -> None:
    quads = share(evaluator, store)
    before = evaluator.status().workers
    with pytest.raises(QueryTimeout):
        evaluator.evaluate(QueryRequest(LONG, store, FORMATS, timeout_s=0.5))
    with pytest.raises(MemoryLimit):
        evaluator.evaluate(QueryRequest(SORT, store, FORMATS))
    assert count(evaluator, store) == quads
    wait_until(lambda: evaluator.status().sharing == 4)
    lost = set(before) - set(evaluator.status().workers)
    assert len(lost) == 2
    wait_until(lambda: not any(map(psutil.pid_exists, lost)))  # no zombie either


def test_another_store_is_answered_from_disk_meanwhile(evaluator: Evaluator, store: Path, tmp_path: Path) -> None:
    quads = share(evaluator, store)
    other = make_store(tmp_path / "store")
    assert count(evaluator, other) == SUBJECTS * PROPERTIES
    assert count(evaluator, store) == quads


def test_without_the_process_that_holds_it_queries_go_on(
    evaluator: Evaluator, broker: BrokerHandle, store: Path
) -> None:
    quads = share(evaluator, store)
    workers = evaluator.status().workers
    children = {process.pid for process in psutil.Process(broker.pid).children()}
    (holder,) = children - set(workers)
    os.kill(holder, signal.SIGKILL)
    wait_until(lambda: is_gone(holder))
    # Those that shared it still have it; new ones read from disk.
    assert count(evaluator, store) == quads
    os.kill(workers[0], signal.SIGKILL)
    wait_until(lambda: evaluator.status().sharing == 3 and len(evaluator.status().workers) == 4)
    assert count(evaluator, store) == quads


def test_nothing_is_left_when_the_broker_stops(store: Path) -> None:
    with start_broker(Settings(query_shared_bytes=1_000_000_000)) as broker, broker.evaluator() as evaluator:
        share(evaluator, store)
        processes = [process.pid for process in psutil.Process(broker.pid).children(recursive=True)]
        assert len(processes) == 5
    wait_until(lambda: all(map(is_gone, processes)))
