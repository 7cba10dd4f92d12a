"""How much of the past one question may ask about."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from hermes.errors import InvalidInput
from hermes.v1.query_pb2 import Question, QuestionSpan
from services.query_gateway.asked_past import AskedPast

NOW_S = 1_700_000_000
HOUR = AskedPast(lambda: 3600.0, lambda: NOW_S * 10**9)


def about(**span: Any) -> Question:
    return Question(text="What?", span=QuestionSpan(**span))


@pytest.mark.parametrize(
    ("question", "cameras"),
    [
        (about(last=Duration(seconds=3600)), 1),
        (about(last=Duration(seconds=60)), 60),
        (about(start=Timestamp(seconds=NOW_S - 3600)), 1),
        (about(start=Timestamp(seconds=5), end=Timestamp(seconds=3605)), 1),
        (about(media_end=Duration(seconds=3600)), 1),
        (Question(text="What?"), 10_000),
    ],
)
def test_what_is_within_the_bound(question: Question, cameras: int) -> None:
    HOUR.check(question, cameras)


@pytest.mark.parametrize(
    ("question", "cameras", "said"),
    [
        (about(last=Duration(seconds=3601)), 1, "means 3601 s; this token may ask about 3600 s"),
        (about(last=Duration(seconds=61)), 60, "61 s of each of 60 cameras.* ask fewer cameras"),
        (about(start=Timestamp(seconds=NOW_S - 7200)), 1, "means 7200 s"),
        (about(end=Timestamp(seconds=NOW_S)), 1, "span.start: is missing: this token may ask"),
        (about(media_start=Duration(seconds=1)), 1, "span.media_end: is missing"),
    ],
)
def test_what_is_beyond_it(question: Question, cameras: int, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        HOUR.check(question, cameras)
    AskedPast().check(question, cameras)
