"""The frames that an answer rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from hermes.client.words import seconds_of, time_of
from hermes.v1 import query_pb2


@dataclass(frozen=True, slots=True)
class EvidenceFrame:
    """A frame that the answer rests on.

    `captured`: when. `media_s`: where it lies in its file. `frame`: its number, which
    counts the stream's frames from 0. `fall`: how far the log-probability of the whole
    answer falls when this frame alone is hidden; hardly, where others show the same.
    `picture`: a JPEG; empty if it was not asked
    for, or is no longer kept.
    """

    captured: datetime
    media_s: float | None
    frame: int
    fall: float
    picture: bytes = b""

    @property
    def times_less_likely(self) -> float:
        """How many times less likely the answer is without this frame."""
        return likelihood_ratio(self.fall)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found by hiding frames and reading the answer again.

    `frames`: the most telling first; empty if hiding frames does not change the answer.
    `logprob`: of the answer's text, with nothing hidden. `largest_fall`: the most that it
    fell by, with many frames hidden. `readings`: how often the answer was read again.
    """

    frames: tuple[EvidenceFrame, ...]
    logprob: float
    largest_fall: float
    readings: int


def likelihood_ratio(fall: float) -> float:
    """How many times less likely something is whose log-probability fell by this."""
    try:
        return math.exp(fall)
    except OverflowError:
        return math.inf


def evidence_of(evidence: query_pb2.Evidence) -> Evidence:
    """From the wire."""
    return Evidence(
        frames=tuple(
            EvidenceFrame(
                captured=time_of(frame.captured),
                media_s=seconds_of(frame, "media"),
                frame=frame.frame,
                fall=evidence.logprob - frame.logprob_without,
                picture=frame.picture,
            )
            for frame in evidence.frames
        ),
        logprob=evidence.logprob,
        largest_fall=evidence.largest_fall,
        readings=evidence.readings,
    )
