"""Which pictures are kept beside a memory, and which go."""

from __future__ import annotations

from itertools import pairwise
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.memory import FrameStamp, HeldFrames
from hermes.memory.coverage import FrameTable
from services.hermes_worker.kept_pictures import MAX_PICTURE_BYTES, KeptFrame, KeptPictures
from services.hermes_worker.least_missed import least_missed
from tests.support.examples import at_most


class Memory:
    """A memory's table of frames, and the pictures beside it."""

    def __init__(self, limit_bytes: int = 10_000) -> None:
        self.table = FrameTable()
        self.pictures = KeptPictures(limit_bytes, lambda: HeldFrames.of(self.table))

    def frame(self, capture_ms: int, jpeg: bytes) -> None:
        self.pictures.take(capture_ms, jpeg)
        self.table.add(FrameStamp(capture_ms), after_gap=False)

    def kept(self) -> list[int]:
        return sorted(self.pictures.all())


def test_a_picture_is_kept_as_it_came_and_found_by_its_frames_number() -> None:
    memory = Memory()
    memory.frame(1000, b"first")
    memory.frame(2000, b"second")
    assert [memory.pictures.get(number) for number in (0, 1, 2)] == [b"first", b"second", None]
    assert memory.pictures.frames() == [KeptFrame(0, 1000, None, 5), KeptFrame(1, 2000, None, 6)]
    assert memory.pictures.size == 11


def test_a_picture_goes_with_the_last_token_of_its_frame() -> None:
    memory = Memory()
    for number in range(5):
        memory.frame(1000 * number, b"x" * 10)
    memory.pictures.take(9000, b"on its way")
    memory.table.retain([0, 3], 3)
    assert memory.kept() == [0, 3000]
    assert memory.pictures.get(1) is None
    assert memory.pictures.size == 30  # with the one that is on its way
    memory.table.add(FrameStamp(9000), after_gap=False)
    assert memory.pictures.get(5) == b"on its way"


def test_a_picture_that_never_became_a_frame_goes_once_memory_is_past_it() -> None:
    memory = Memory()
    memory.pictures.take(1000, b"first of a pair")
    memory.frame(2000, b"second of the pair")
    assert memory.kept() == [2000]
    assert memory.pictures.size == len(b"second of the pair")


def test_what_leaves_the_time_line_best_covered_stays() -> None:
    memory = Memory(limit_bytes=1600)
    for number in range(200):
        memory.frame(1000 * number, b"x" * 100)
    kept = memory.kept()
    assert len(kept) in (15, 16)
    gaps = [late - early for early, late in pairwise(kept)]
    assert (kept[0], kept[-1]) == (0, 199_000)
    assert max(gaps) <= 2 * 200_000 / 15


def test_of_two_that_cover_as_much_time_the_one_of_which_fewer_tokens_are_held_goes() -> None:
    memory = Memory(limit_bytes=520)
    for number in range(5):
        memory.frame(1000 * number, b"x" * 100)
    memory.table.retain(range(5), 5, {0: 40, 1: 40, 2: 30, 3: 40, 4: 40})
    memory.frame(5000, b"x" * 100)
    assert memory.kept() == [0, 1000, 3000, 4000, 5000]


def test_pictures_from_the_store_fill_in_what_memory_holds() -> None:
    memory = Memory(limit_bytes=300)
    for number in range(3):
        memory.table.add(FrameStamp(1000 * number), after_gap=False)
    memory.table.retain([0, 2], 2)
    memory.frame(3000, b"from the log")
    memory.pictures.restore(0, b"from the store")
    memory.pictures.restore(1000, b"of a frame that is forgotten")
    memory.pictures.restore(3000, b"another")
    assert memory.pictures.all() == {0: b"from the store", 3000: b"from the log"}


def test_nothing_is_kept_without_a_bound_and_nothing_too_large_for_a_message() -> None:
    off = Memory(limit_bytes=0)
    off.frame(1000, b"x")
    large = Memory(limit_bytes=10 * MAX_PICTURE_BYTES)
    large.frame(1000, bytes(MAX_PICTURE_BYTES + 1))
    large.frame(2000, bytes(MAX_PICTURE_BYTES))
    assert off.kept() == []
    assert off.pictures.frames() == [KeptFrame(0, 1000, None, 0)]
    assert large.kept() == [2000]


@given(
    st.lists(
        st.one_of(st.tuples(st.integers(1, 50), st.integers(1, 60)), st.sets(st.integers(0, 40))),
        max_size=60,
    )
)
@settings(max_examples=at_most(150), deadline=None)
def test_the_bound_holds_and_only_frames_that_are_held_have_pictures(
    steps: list[tuple[int, int] | set[int]],
) -> None:
    memory, made, now = Memory(limit_bytes=200), {}, 0
    for step in steps:
        if isinstance(step, set):
            held = [number for number, _ in memory.table.stamps() if number in step]
            memory.table.retain(held, memory.table.seen, dict.fromkeys(held, 3))
        else:
            later, size = step
            now += later
            made[memory.table.seen] = bytes([memory.table.seen % 256]) * size
            memory.frame(now, made[memory.table.seen])
            assert memory.pictures.get(memory.table.seen - 1) == made[memory.table.seen - 1]
        held_now = {number for number, _ in memory.table.stamps()}
        found = {number: memory.pictures.get(number) for number in made}
        assert all(jpeg in (None, made[number]) for number, jpeg in found.items())
        assert {number for number, jpeg in found.items() if jpeg is not None} <= held_now
        total = sum(len(jpeg) for jpeg in found.values() if jpeg is not None)
        assert total == memory.pictures.size <= 200
        assert sum(frame.bytes for frame in memory.pictures.frames()) == total


@given(st.sets(st.integers(0, 10_000), min_size=1, max_size=40))
def test_all_but_the_newest_go_each_at_the_least_cost(times: set[int]) -> None:
    line = sorted(times)
    left = list(line)
    for at in least_missed(line, [1.0] * len(line)):
        missed = {
            ms: late - early if early >= 0 else inf
            for early, ms, late in zip([-1, *left], left, left[1:], strict=False)
        }
        assert missed[line[at]] == min(missed.values())
        left.remove(line[at])
    assert left == line[-1:]
