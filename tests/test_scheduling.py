"""Who is next among waiting queries, and who is let in when the queue is full."""

from __future__ import annotations

import pytest

from quiver.evaluation.scheduling import FairQueue


def drain(queue: FairQueue[str]) -> list[str]:
    found = []
    while (job := queue.pop()) is not None:
        found.append(job)
    return found


def test_clients_take_turns_and_each_keeps_its_order() -> None:
    queue: FairQueue[str] = FairQueue(10)
    for job in ("a1", "a2", "a3", "b1", "c1", "b2"):
        assert queue.push(job[0], job) is None
    assert drain(queue) == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert len(queue) == 0


def test_a_full_queue_takes_from_whoever_has_most() -> None:
    queue: FairQueue[str] = FairQueue(3)
    for job in ("a1", "a2", "a3"):
        queue.push("a", job)
    assert queue.push("a", "a4") == "a4"
    assert queue.push("b", "b1") == "a3"
    assert queue.push("c", "c1") == "a2"
    assert queue.push("d", "d1") == "d1"  # everybody has one: nobody has more than the newcomer would
    assert len(queue) == 3
    assert drain(queue) == ["a1", "b1", "c1"]


def test_a_queue_without_places_lets_in_what_need_not_wait() -> None:
    queue: FairQueue[str] = FairQueue(0)
    assert queue.push("a", "a1") == "a1"
    assert queue.push("a", "a1", room=1) is None
    assert queue.push("b", "b1", room=1) == "b1"


def test_a_job_put_back_is_first_again() -> None:
    queue: FairQueue[str] = FairQueue(1)
    queue.push("a", "a2")
    queue.push_back("a", "a1")
    assert drain(queue) == ["a1", "a2"]


def test_only_what_may_is_taken() -> None:
    queue: FairQueue[str] = FairQueue(9)
    for job in ("a1", "b1"):
        queue.push(job[0], job)

    def is_b(client: str, job: str) -> bool:
        return client == "b"

    assert queue.holds(is_b)
    assert queue.pop(is_b) == "b1"
    assert not queue.holds(is_b)
    assert queue.pop(is_b) is None
    assert queue.contains("a", "a1")
    queue.remove("a", "a1")
    assert not queue.contains("a", "a1")
    with pytest.raises(ValueError):
        queue.remove("a", "a1")
    assert drain(queue) == []
