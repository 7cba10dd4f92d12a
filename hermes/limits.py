"""Limits that several processes must agree on, each with its default, bound and description.

The engine's configuration, the worker's settings and the gateway's settings all
take them from here. No torch: the gateway has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class Limit(Generic[N]):
    """A limit that can be configured, with its bound: `above` this, or `at_least` this."""

    default: N
    description: str
    above: N | None = None
    at_least: N | None = None


def _at_least_one(default: int, description: str) -> Limit[int]:
    return Limit(default, description, at_least=1)


BUDGET_TOKENS = _at_least_one(4000, "video tokens per layer that a memory keeps")
COMPRESS_EVERY_FRAMES = _at_least_one(16, "frames between two compressions")
MAX_CAMERAS = _at_least_one(256, "memories that a worker holds at most; fewer, if fewer fit")
MAX_QUESTIONS = _at_least_one(64, "questions open at once, over all cameras")
MAX_CAMERA_QUESTIONS = _at_least_one(32, "the same, about one camera")
MAX_QUESTION_TOKENS = _at_least_one(512, "longest question, in tokens")
MAX_ANSWER_TOKENS = _at_least_one(
    256, "most tokens a question may ask for, and what it gets if it does not say"
)
MAX_MERGE_TOKENS = _at_least_one(
    2048, "tokens of the answers of several cameras that one answer is made of; more are cut"
)
MAX_WAIT_S = Limit(
    5.0, "a question that would wait longer for its first token, in seconds, is refused", above=0.0
)
CHANGE_THRESHOLD = Limit(
    0.15,
    "how far apart two looks of a place must be to count as a change, as a share of the distance"
    " between unlike things; 0 takes everything in",
    at_least=0.0,
)
CHANGE_REFRESH_S = Limit(
    0.0, "seconds after which each place is taken in again, changed or not; 0: never", at_least=0.0
)
PRESENT_FRAMES = Limit(
    1,
    "newest frames that a question sees in full where memory holds only changes; 0 is the fastest",
    at_least=0,
)
SLICE_S = Limit(
    0.0,
    "time after which a pass over frames lets questions go first, on average; passes are made as"
    " large as that allows; 0: 4 ms on a GPU, 10 ms on a CPU",
    above=-1e-9,
)
WATCH_SHARE = Limit(
    0.3, "share of the device's time that watches take at most while frames wait", above=0.0
)
EVENTS_KEEP_S = Limit(7 * 86_400.0, "seconds for which events are kept", above=0.0)
EVENTS_MAX = _at_least_one(10_000, "events that are kept at most, and messages about events")
