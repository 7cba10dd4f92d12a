"""Which frames are shown, and in which order."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hermes.errors import InvalidInput
from hermes.frame_query import FrameQuery, query_of
from hermes.v1 import memory_pb2
from services.hermes_worker.frame_choice import chosen, picture_message
from services.hermes_worker.kept_pictures import KeptFrame

FRAMES = [KeptFrame(number, 1000 * number, None, 10) for number in range(10)]


def numbers(frames: list[KeptFrame], **query: int | bool) -> list[int]:
    return [frame.number for frame in chosen(frames, FrameQuery("lobby", **query))]  # type: ignore[arg-type]


def test_all_of_them_oldest_first() -> None:
    assert numbers(FRAMES) == list(range(10))
    assert numbers(FRAMES, newest_first=True) == list(range(9, -1, -1))


def test_both_ends_of_a_span_are_included() -> None:
    assert numbers(FRAMES, start_ms=2000, end_ms=4000) == [2, 3, 4]
    assert numbers(FRAMES, start_ms=2001, end_ms=3999) == [3]
    assert numbers(FRAMES, start_ms=10_000) == []


def test_of_more_than_the_limit_those_that_are_spread_over_the_time_or_the_newest() -> None:
    assert numbers(FRAMES, limit=10) == list(range(10))
    few = numbers(FRAMES, limit=4)
    assert (few[0], few[-1], len(few)) == (0, 9, 4)
    assert max(late - early for early, late in pairwise(few)) <= 4
    assert numbers(FRAMES, limit=1) == [9]
    assert numbers(FRAMES, limit=3, newest_first=True) == [9, 8, 7]


def test_frames_whose_pictures_are_kept_come_before_the_others() -> None:
    frames = [KeptFrame(number, 1000 * number, None, 10 * (number < 3)) for number in range(10)]
    assert numbers(frames, limit=1, newest_first=True) == [2]
    assert numbers(frames, limit=5, newest_first=True) == [9, 8, 2, 1, 0]
    assert numbers(frames, limit=3) == [0, 1, 2]


def test_a_frame_on_its_way() -> None:
    sent = picture_message(KeptFrame(7, 1234, 5678, 3), b"abc")
    assert (sent.frame, sent.jpeg, sent.bytes) == (7, b"abc", 3)
    assert (sent.captured.ToMilliseconds(), sent.media.ToMilliseconds()) == (1234, 5678)
    gone = picture_message(KeptFrame(7, 1234, None, 3), b"")
    assert (gone.jpeg, gone.bytes, gone.HasField("media")) == (b"", 0, False)
    listed = picture_message(KeptFrame(7, 1234, None, 3), None)
    assert (listed.jpeg, listed.bytes) == (b"", 3)


def test_a_query_is_read_to_the_whole_milliseconds_within() -> None:
    message = memory_pb2.FrameQuery(camera_id="lobby", limit=3)
    message.start.FromNanoseconds(1_000_001)
    message.end.FromNanoseconds(2_999_999)
    assert query_of(message) == FrameQuery("lobby", 2, 2, 3)
    assert query_of(memory_pb2.FrameQuery(camera_id="a")) == FrameQuery("a")


def test_a_query_that_cannot_be_is_refused_by_name() -> None:
    message = memory_pb2.FrameQuery(camera_id="lobby")
    message.start.seconds = 2**62
    with pytest.raises(InvalidInput) as caught:
        query_of(message)
    assert caught.value.field == "query.start"
    with pytest.raises(InvalidInput, match="lies before the start"):
        FrameQuery("lobby", 5, 4)
