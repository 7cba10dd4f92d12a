"""How much of the past one question may ask about."""

from __future__ import annotations

import time
from collections.abc import Callable

from hermes.errors import InvalidInput
from hermes.question import Span
from hermes.question_message import question_of
from hermes.v1.query_pb2 import Question

NS_PER_MS = 1_000_000


class AskedPast:
    """A bound on the length of a question's span, times the cameras that it asks."""

    def __init__(
        self,
        most_s: Callable[[], float] = lambda: 0.0,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`most_s`: the current caller's bound in seconds; 0 is none. `clock_ns`: Unix time."""
        self._most_s = most_s
        self._clock_ns = clock_ns

    def check(self, question: Question, cameras: int = 1) -> None:
        """Raises `InvalidInput` if too much is asked for. A question without a span passes: it
        reads what memory holds, which has a bound of its own.
        """
        most_s = self._most_s()
        if not (most_s and question.HasField("span")):
            return
        now_ms = self._clock_ns() // NS_PER_MS
        span = question_of(question, now_ms).span
        assert span is not None
        length_s = _length_s(span, now_ms)
        if length_s is None:
            missing = "media_end" if span.media else "start"
            raise InvalidInput(
                f"question.span.{missing}",
                f"is missing: this token may ask about {most_s:g} s of the past at a time, so the"
                " span must have both ends",
            )
        if length_s * cameras > most_s:
            of = "" if cameras == 1 else f" of each of {cameras} cameras"
            fewer = "" if cameras == 1 else " or ask fewer cameras,"
            raise InvalidInput(
                "question.span",
                f"means {length_s:g} s{of}; this token may ask about {most_s:g} s at a time, over"
                f" all cameras: shorten the span,{fewer} or ask the issuer of the token for more",
            )


def _length_s(span: Span, now_ms: int) -> float | None:
    """None if it has no beginning, or in a file no end."""
    if span.media:
        return None if span.end_ms is None else (span.end_ms - (span.start_ms or 0)) / 1000
    if span.start_ms is None:
        return None
    return max(0, (now_ms if span.end_ms is None else span.end_ms) - span.start_ms) / 1000
