"""A pass over a long backlog gives way to the frames of cameras that send less."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hermes.engine import EngineConfig
from hermes.engine.backlogs import NONE_LONG, LongBacklogs
from hermes.engine.scheduler import Backlog, Ingest, Scheduler
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_engine import Observer, batch, cursor_of, wait_for

FLOOD, OTHER, QUIET, THIRD = range(4)


def test_a_pass_gives_way_to_cameras_with_few_frames_as_often_as_it_takes_frames_itself() -> None:
    pass_of = LongBacklogs({FLOOD: Backlog(1, 8, tokens=16)}, {FLOOD: 2})
    quiet = {QUIET: Backlog(2, 1), OTHER: Backlog(2, 5), FLOOD: Backlog(9, 4)}
    assert pass_of
    assert pass_of.tokens == 32
    for _ in range(2):
        assert pass_of.let_first(quiet) == {QUIET: Backlog(2, 1)}
        pass_of.went({QUIET: 1})
    assert pass_of.let_first(quiet) == {}
    assert pass_of.let_first({THIRD: Backlog(3, 1)})


def test_a_pass_that_has_a_camera_with_one_frame_gives_way_to_no_frames() -> None:
    assert not NONE_LONG
    assert not LongBacklogs({QUIET: Backlog(1, 1)}, {QUIET: 1})
    assert not LongBacklogs({QUIET: Backlog(1, 1), FLOOD: Backlog(1, 8)}, {QUIET: 1, FLOOD: 4})


def test_a_long_backlog_has_short_passes_while_others_may_send() -> None:
    flood = {FLOOD: Backlog(1, 60)}
    scheduler = Scheduler[int](4)
    assert scheduler.next(0, 0, flood, 32, short_room=8, cameras=2) == Ingest({FLOOD: 8})
    assert scheduler.next(0, 0, flood, 32, short_room=8, cameras=1) == Ingest({FLOOD: 32})
    both = flood | {OTHER: Backlog(1, 50)}
    assert scheduler.next(0, 0, both, 32, short_room=8, cameras=2) == Ingest({OTHER: 16, FLOOD: 16})


def test_few_frames_have_a_pass_of_their_own_when_it_is_their_turn() -> None:
    """So they wait for no backlog, and the next turn is the backlog's, however much others send."""
    scheduler = Scheduler[int](4)
    flood = {FLOOD: Backlog(1, 60)}
    all_of_them = {**flood, QUIET: Backlog(2), THIRD: Backlog(3)}

    def frames(waiting: dict[int, Backlog]) -> dict[int, int]:
        work = scheduler.next(0, 0, waiting, 32, short_room=8, cameras=3)
        assert isinstance(work, Ingest)
        return dict(work.frames)

    assert frames(flood) == {FLOOD: 8}
    assert frames(all_of_them) == {QUIET: 1, THIRD: 1}
    assert frames(all_of_them) == {FLOOD: 6, QUIET: 1, THIRD: 1}


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
def engine(observer: Observer) -> Iterator[NamedEngine]:
    config = EngineConfig(
        budget_tokens=160, compress_every_frames=4, max_cameras=4, max_pending_frames=16,
        max_question_tokens=64, max_answer_tokens=40,
    )  # fmt: skip
    made = NamedEngine(tiny.model(), config, observer)
    yield made
    made.stop()


@pytest.mark.parametrize("beats", [3, 5, 8])
def test_a_frame_is_in_memory_before_the_pass_over_a_backlog_ends(
    engine: NamedEngine, observer: Observer, beats: int
) -> None:
    """It is offered in the middle of a pass, in the tower or the decoder."""
    left = beats

    def beat() -> None:
        nonlocal left
        if not engine.room("flood") or left < beats:
            left -= 1
        if left == 0:
            engine.offer("quiet", batch(50))

    for camera in ("flood", "quiet"):
        engine.open(camera)
    for seed in range(16):
        engine.offer("flood", batch(seed))
    engine.start(beat)
    wait_for(lambda: cursor_of(engine, "flood") == "000015" and cursor_of(engine, "quiet") != "")
    assert observer.frames[0] == "quiet"
    assert observer.frames[1:] == ["flood"] * 16
    assert engine.alive
