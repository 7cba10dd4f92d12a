"""The frames that an answer rests on."""

from __future__ import annotations

from dataclasses import dataclass

from hermes.memory import FrameStamp


@dataclass(frozen=True, slots=True)
class EvidenceFrame:
    """A frame without which the answer is less likely.

    `number`: counts the stream's frames from 0. `logprob_without`: the log-probability of the
    answer's text while this frame is hidden.
    """

    number: int
    stamp: FrameStamp
    logprob_without: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found by hiding frames and reading the answer again.

    `frames`: first that from which alone the answer is likeliest; empty if the answer does not
    depend on what is hidden.
    `logprob`: of the text, with nothing hidden. `largest_fall`: the most that it fell by,
    with anything hidden. `readings`: how often the answer was read again.
    """

    frames: tuple[EvidenceFrame, ...]
    logprob: float
    largest_fall: float
    readings: int
