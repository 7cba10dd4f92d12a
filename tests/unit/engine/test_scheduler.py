"""The whole policy, in microseconds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermes.engine.scheduler import Decode, Idle, Ingest, Prefill, Scheduler


def test_nothing_to_do() -> None:
    assert Scheduler(4).next(0, 0, {}) == Idle()


def test_the_stalest_camera_first() -> None:
    assert Scheduler(4).next(0, 0, {"a": 300, "b": 100, "c": 200}) == Ingest("b")


def test_questions_before_frames() -> None:
    assert Scheduler(4).next(1, 0, {"a": 1}) == Prefill()
    assert Scheduler(4).next(0, 1, {"a": 1}) == Decode()


def test_new_questions_and_answers_take_turns() -> None:
    scheduler = Scheduler(100)
    steps = [scheduler.next(5, 3, {}) for _ in range(4)]
    assert steps == [Prefill(), Decode(), Prefill(), Decode()]


@given(limit=st.integers(1, 10), questions=st.integers(1, 5), answers=st.integers(0, 5))
def test_constant_questions_do_not_starve_the_cameras(
    limit: int, questions: int, answers: int
) -> None:
    scheduler = Scheduler(limit)
    steps = [scheduler.next(questions, answers, {"a": 1}) for _ in range(3 * (limit + 1))]
    assert steps.count(Ingest("a")) == 3
    assert steps[limit] == Ingest("a")
    assert Ingest("a") not in steps[:limit]


def test_a_long_backlog_does_not_starve_a_live_camera() -> None:
    """A file that is read faster than the device works is always the one that is behind."""
    scheduler, now_ms = Scheduler(4), 100_000
    served = []
    for _ in range(20):
        work = scheduler.next(0, 0, {"file": now_ms - 50_000, "live": now_ms})
        assert isinstance(work, Ingest)
        served.append(work.camera_id)
        now_ms += 100
    assert served.count("live") == 10


def test_a_camera_with_little_to_do_waits_for_one_turn_of_each_other() -> None:
    scheduler = Scheduler(4)
    for _ in range(5):
        scheduler.next(0, 0, {"a": 1, "b": 2})
    first = [scheduler.next(0, 0, {"a": 1, "b": 2, "quiet": 9}) for _ in range(3)]
    assert Ingest("quiet") in first


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 100), min_size=1))
def test_no_camera_is_starved_by_another(waiting: dict[str, int]) -> None:
    """Each ingested camera comes back with a younger frame; everyone gets a turn."""
    scheduler, clock, served = Scheduler(1), 1000, set()
    for _ in range(len(waiting)):
        work = scheduler.next(0, 0, waiting)
        assert isinstance(work, Ingest)
        served.add(work.camera_id)
        clock += 1
        waiting = {**waiting, work.camera_id: clock}
    assert served == set(waiting)
