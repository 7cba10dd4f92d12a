"""The whole policy, in microseconds."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hermes.engine.scheduler import (
    MOST_COMPRESSIONS,
    Answering,
    Backlog,
    Idle,
    Ingest,
    PassSize,
    Scheduler,
    Watching,
    Weigh,
)


def waiting(**since: int) -> dict[str, Backlog]:
    return {camera: Backlog(when) for camera, when in since.items()}


def chosen(work: object) -> list[str]:
    assert isinstance(work, Ingest)
    return list(work.frames)


def test_an_idle_scheduler_has_nothing_to_do() -> None:
    assert Scheduler[str](4).next(0, 0, {}) == Idle()


def test_the_camera_with_the_oldest_frame_comes_first() -> None:
    cameras = waiting(a=300, b=100, c=200)
    assert Scheduler[str](4).next(0, 0, cameras) == Ingest({"b": 1})
    assert Scheduler[str](4).next(0, 0, cameras, room=2) == Ingest({"b": 1, "c": 1})


def test_questions_before_frames() -> None:
    assert Scheduler[str](4).next(1, 0, waiting(a=1)) == Answering()
    assert Scheduler[str](4).next(0, 1, waiting(a=1)) == Answering()


@given(limit=st.integers(1, 10), questions=st.integers(1, 5), answers=st.integers(0, 5))
def test_constant_questions_do_not_starve_the_cameras(
    limit: int, questions: int, answers: int
) -> None:
    scheduler, frame = Scheduler[str](limit), Ingest({"a": 1})
    steps = [scheduler.next(questions, answers, waiting(a=1)) for _ in range(3 * (limit + 1))]
    assert steps.count(frame) == 3
    assert steps[limit] == frame
    assert frame not in steps[:limit]


def test_questions_before_evidence_before_frames() -> None:
    assert Scheduler[str](4).next(1, 0, {}, weighed=1) == Answering()
    assert Scheduler[str](4).next(0, 1, waiting(a=1), weighed=1) == Answering()
    assert Scheduler[str](4).next(0, 0, waiting(a=1), weighed=1) == Weigh()
    assert Scheduler[str](4).next(0, 0, {}, weighed=1) == Weigh()


@given(
    limit=st.integers(1, 10),
    questions=st.integers(0, 5),
    answers=st.integers(0, 5),
    weighed=st.integers(1, 3),
)
def test_neither_questions_nor_evidence_starve_what_comes_after_them(
    limit: int, questions: int, answers: int, weighed: int
) -> None:
    scheduler, frame = Scheduler[str](limit), Ingest({"a": 1})
    steps = [
        scheduler.next(questions, answers, waiting(a=1), weighed=weighed)
        for _ in range(4 * (limit + 1) ** 2)
    ]
    for part in range(0, len(steps), limit + 1):
        assert frame in steps[part : part + limit + 1]
    longest = 2 * (limit + 1)
    for part in range(0, len(steps) - longest, longest):
        assert Weigh() in steps[part : part + longest]


def test_a_pass_gives_way_to_every_new_question() -> None:
    scheduler: Scheduler[str] = Scheduler(4)
    assert scheduler.gives_way(1, 0, done=0.0, given=1000)
    assert not scheduler.gives_way(0, 0, done=0.5, given=0)


@given(limit=st.integers(1, 16), slices=st.integers(1, 60))
def test_answers_get_their_tokens_spread_over_a_pass(limit: int, slices: int) -> None:
    scheduler: Scheduler[str] = Scheduler(limit)
    given_at: list[int] = []
    for number in range(1, slices + 1):
        while scheduler.gives_way(0, 3, number / slices, len(given_at)):
            given_at.append(number)
    assert len(given_at) == limit
    most = max(Counter(given_at).values())
    assert most <= -(-limit // slices)  # never two where one would do


def test_a_long_backlog_does_not_starve_a_live_camera() -> None:
    """A file that is read faster than the device works always has the oldest frame."""
    scheduler, now_ms = Scheduler[str](4), 100_000
    served = []
    for _ in range(20):
        cameras = {"file": Backlog(now_ms - 50_000, 60), "live": Backlog(now_ms)}
        served += chosen(scheduler.next(0, 0, cameras))
        now_ms += 100
    assert served.count("live") == 10


def test_room_that_is_left_goes_to_backlogs() -> None:
    cameras = {"file": Backlog(1, 60), "other": Backlog(1, 3), "live": Backlog(2, 1)}
    work = Scheduler[str](4).next(0, 0, cameras, room=9)
    assert work == Ingest({"file": 5, "other": 3, "live": 1})


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 9), min_size=1),
    st.integers(1, 40),
)
def test_a_pass_is_as_full_as_possible(counts: dict[str, int], room: int) -> None:
    cameras = {camera: Backlog(0, count) for camera, count in counts.items()}
    work = Scheduler[str](4).next(0, 0, cameras, room)
    assert isinstance(work, Ingest)
    assert sum(work.frames.values()) == min(room, sum(counts.values()))
    assert all(1 <= share <= counts[camera] for camera, share in work.frames.items())


def test_a_camera_with_few_frames_waits_at_most_one_turn_of_each_other() -> None:
    scheduler: Scheduler[str] = Scheduler(4)
    for _ in range(5):
        scheduler.next(0, 0, waiting(a=1, b=2))
    first = [chosen(scheduler.next(0, 0, waiting(a=1, b=2, quiet=9))) for _ in range(3)]
    assert ["quiet"] in first


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 100), min_size=1),
    st.integers(1, 5),
)
def test_no_camera_is_starved_by_another(since: dict[str, int], room: int) -> None:
    """Each ingested camera comes back with a younger frame; everyone gets a turn."""
    scheduler, clock = Scheduler[str](1), 1000
    served: set[str] = set()
    for _ in range(-(-len(since) // room)):
        now = chosen(scheduler.next(0, 0, waiting_of(since), room))
        served |= set(now)
        clock += 1
        since = since | dict.fromkeys(now, clock)
    assert served == set(since)


def test_memories_that_are_due_together_are_compressed_in_several_passes() -> None:
    scheduler = Scheduler[str](4)
    due = {f"due {number}": Backlog(1, until_compression=1) for number in range(10)}
    early = {f"early {number}": Backlog(2, until_compression=5) for number in range(3)}
    passes = []
    cameras = due | early
    while cameras:
        passes.append(chosen(scheduler.next(0, 0, cameras, room=100)))
        cameras = {name: found for name, found in cameras.items() if name not in passes[-1]}
    assert [len(taken) for taken in passes] == [MOST_COMPRESSIONS + 3, MOST_COMPRESSIONS, 2]
    assert set(early) <= set(passes[0])  # cameras that wait do not hold up the others


def test_a_backlog_ends_before_a_compression_that_is_one_too_many() -> None:
    cameras = {f"due {number}": Backlog(1, until_compression=1) for number in range(4)}
    work = Scheduler[str](4).next(
        0, 0, cameras | {"file": Backlog(2, 60, until_compression=7)}, room=100
    )
    assert work == Ingest(dict.fromkeys(cameras, 1) | {"file": 6})


def waiting_of(since: dict[str, int]) -> dict[str, Backlog]:
    return {camera: Backlog(when) for camera, when in since.items()}


def test_passes_grow_while_their_slices_stay_short() -> None:
    size = PassSize(most=12, slice_s=0.010)
    for _ in range(6):
        size.took(size.tokens, slices=50, seconds=50 * 0.0003 * size.tokens)
    assert size.tokens == 12


def test_passes_shrink_until_their_slices_are_short() -> None:
    size = PassSize(most=32, slice_s=0.010)
    for _ in range(8):
        size.took(size.tokens, slices=50, seconds=50 * 0.002 * size.tokens)
    assert size.tokens in (4, 5)
    size.failed()
    assert size.tokens == 2


def test_a_slow_frame_is_taken_all_the_same() -> None:
    size = PassSize(most=32, slice_s=0.010)
    size.took(1, slices=50, seconds=60)
    assert size.tokens == 1
    size.failed()
    assert size.tokens == 1


def test_a_pass_that_was_not_full_does_not_grow_the_size() -> None:
    size = PassSize(most=32, slice_s=0.010)
    for _ in range(4):
        size.took(size.tokens, slices=50, seconds=0.05)
    grown = size.tokens
    size.took(1, slices=50, seconds=0.01)
    assert size.tokens == grown


sizes = st.tuples(st.integers(1, 9), st.integers(1, 30))


@given(st.dictionaries(st.text(min_size=1, max_size=3), sizes, min_size=1), st.integers(1, 90))
def test_a_pass_has_room_for_tokens(cameras: dict[str, tuple[int, int]], room: int) -> None:
    """Frames differ in size: it is full, or the next camera's frame does not fit."""
    waiting = {name: Backlog(0, frames, tokens) for name, (frames, tokens) in cameras.items()}
    work = Scheduler[str](4).next(0, 0, waiting, room)
    assert isinstance(work, Ingest)
    taken = sum(share * waiting[name].tokens for name, share in work.frames.items())
    assert taken <= max(room, max(backlog.tokens for backlog in waiting.values()))
    assert all(1 <= share <= waiting[name].frames for name, share in work.frames.items())
    if taken <= room:
        for name, share in work.frames.items():
            backlog = waiting[name]
            assert share == backlog.frames or taken + backlog.tokens > room


def test_small_frames_do_not_overtake_a_large_one() -> None:
    scheduler = Scheduler[str](4)
    cameras = {"a": Backlog(1, 1, 40), "large": Backlog(2, 1, 80), "c": Backlog(3, 9, 10)}
    assert scheduler.next(0, 0, cameras, room=100) == Ingest({"a": 1})
    assert chosen(scheduler.next(0, 0, cameras, room=100))[0] == "large"


def test_the_size_of_a_pass_is_never_below_the_largest_frame() -> None:
    size = PassSize(most=3200, slice_s=0.010, frame=100)
    assert size.tokens == 100
    for tokens in (100, 150, 390):  # full: a large frame more would not have fit
        size.took(tokens, slices=50, seconds=0.05)
    assert size.tokens == 800
    size.took(800, slices=50, seconds=60)
    assert size.tokens == 100


def test_evidence_before_standing_questions_before_frames() -> None:
    assert Scheduler[str](4).next(1, 0, {}, standing=1) == Answering()
    assert Scheduler[str](4).next(0, 0, {}, weighed=1, standing=1) == Weigh()
    assert Scheduler[str](4).next(0, 0, waiting(a=1), standing=1) == Watching()


def test_standing_questions_keep_to_their_share_while_frames_wait() -> None:
    scheduler = Scheduler[str](4)
    assert scheduler.next(0, 0, waiting(a=1), standing=1, share_left=False) == Ingest({"a": 1})
    assert scheduler.next(0, 0, {}, standing=1, share_left=False) == Watching()


@given(limit=st.integers(1, 10))
def test_standing_questions_do_not_starve_the_cameras(limit: int) -> None:
    scheduler = Scheduler[str](limit)
    steps = [scheduler.next(0, 0, waiting(a=1), standing=3) for _ in range(3 * (limit + 1))]
    assert steps.count(Ingest({"a": 1})) == 3


@given(limit=st.integers(1, 10), answers=st.integers(0, 5), weighed=st.integers(0, 1))
def test_constant_questions_do_not_starve_standing_questions(
    limit: int, answers: int, weighed: int
) -> None:
    scheduler = Scheduler[str](limit)
    steps = [
        scheduler.next(1, answers, {}, weighed=weighed, standing=1) for _ in range(3 * (limit + 1))
    ]
    assert steps.count(Watching()) == 3
    assert Watching() not in steps[:limit]


def test_constant_questions_leave_standing_questions_no_more_than_their_share() -> None:
    scheduler = Scheduler[str](2)
    steps = [scheduler.next(1, 1, waiting(a=1), standing=1, share_left=False) for _ in range(12)]
    assert Watching() not in steps
