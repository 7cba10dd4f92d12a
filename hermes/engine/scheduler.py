"""What the device does next. Plain Python: no tensors, no clock, no device."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Answering:
    """One pass for questions: ready questions are read, open answers get one token each."""


@dataclass(frozen=True, slots=True)
class Weigh:
    """One pass that weighs an answer: for its evidence."""


@dataclass(frozen=True, slots=True)
class Watching:
    """One pass for standing questions."""


@dataclass(frozen=True, slots=True)
class Ingest(Generic[K]):
    """One pass over frames: how many of each camera's."""

    frames: Mapping[K, int]


Work = Idle | Answering | Weigh | Watching | Ingest[K]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Waiting frames of a camera. `since`: capture time (ms) of the oldest.

    `tokens`: how many each of them has, at most. `until_compression`: how many frames
    its memory takes in until it is compressed, that frame included; 0 if that is not known.
    """

    since: int
    frames: int = 1
    tokens: int = 1
    until_compression: int = 0

    def compresses(self, frames: int) -> bool:
        """Whether the memory is compressed in a pass over so many of its frames."""
        return 0 < self.until_compression <= frames


MOST_COMPRESSIONS = 4
"""Cameras whose memories are compressed in one pass: a question does not wait for many of them,
and the guidance prompts of many would need much room.
"""

FEWER = 2
"""A camera has few frames waiting if another one has at least so many times as many."""

REMEMBERED = 4096
"""How many cameras' last turns are remembered: far more than one device has cameras."""


class Scheduler(Generic[K]):
    """Questions before evidence, evidence before standing questions, and these before frames.

    A camera is named by any hashable key.

    Cameras take turns, least recently served first; new ones by oldest frame.
    So a camera with a long backlog (a file, a replay) gets no more than its
    share, and a camera with few frames never waits for it. If a pass has room
    for more than one frame of each, the backlogs fill it in the same order. A
    pass has room for a number of tokens, but takes one frame in any case. Only a few
    memories are compressed in a pass: other cameras whose frames would cause a
    compression wait for the next one, though cameras often come to it at the same time.

    Constant questions do not starve the cameras, nor the evidence, nor the standing
    questions: after `questions_per_ingest` passes for others in a row, one over frames
    runs, one that weighs an answer, and one for standing questions. The pass over
    frames is long, so it gives way: to a new question between any two slices, and to
    answers under way often enough that they get `questions_per_ingest` tokens while it
    lasts.
    """

    def __init__(self, questions_per_ingest: int) -> None:
        self._limit = questions_per_ingest
        self._streak = 0  # passes while frames waited
        self._asked_streak = 0  # passes for questions while an answer waited to be weighed
        self._unwatched_streak = 0  # passes for others while standing questions waited
        self._turn = 0
        self._last_turn: dict[K, int] = {}  # least recently served first

    def next(
        self,
        ready_questions: int,
        answers: int,
        waiting: Mapping[K, Backlog],
        room: int = 1,
        weighed: int = 0,
        standing: int = 0,
        share_left: bool = True,
        short_room: int | None = None,
        cameras: int = 0,
    ) -> Work[K]:
        """The next step. `waiting`: cameras with frames; `room`: tokens that one pass may take.
        `short_room`: the same of a pass over long backlogs while others of the `cameras` may send
        frames; None: as many as of any pass.

        `answers`: those under way to questions that are not standing. `weighed`: answers
        whose evidence is wanted. `standing`: standing questions that are due, or whose
        answers are under way; `share_left`: whether they may go before frames.
        """
        asked = ready_questions > 0 or answers > 0
        watched = standing > 0 and (share_left or not waiting)
        if waiting and (not (asked or weighed or watched) or self._streak >= self._limit):
            self._streak = 0
            return self._ingest(waiting, room, short_room, cameras)
        if not asked and not weighed and not watched:
            return Idle()
        self._streak = self._streak + 1 if waiting else 0
        if watched and (not (asked or weighed) or self._unwatched_streak >= self._limit):
            self._unwatched_streak = 0
            return Watching()
        self._unwatched_streak = self._unwatched_streak + 1 if watched else 0
        if weighed and (not asked or self._asked_streak >= self._limit):
            self._asked_streak = 0
            return Weigh()
        self._asked_streak = self._asked_streak + 1 if weighed else 0
        return Answering()

    def gives_way(self, ready_questions: int, answers: int, done: float, given: int) -> bool:
        """Whether a pass for questions runs before the rest of a pass over frames.

        `done`: share of the pass that is done, from 0 to 1. `given`: how often
        it has given way so far.
        """
        return ready_questions > 0 or (answers > 0 and given < done * self._limit)

    def _ingest(
        self, waiting: Mapping[K, Backlog], room: int, short_room: int | None, cameras: int
    ) -> Ingest[K]:
        """One pass over frames. Cameras with few frames do not share it with long backlogs: if it
        is their turn, they have a pass of their own.
        """
        if short_room is None:
            return Ingest(self.shares(waiting, room, room))
        few = max(backlog.frames for backlog in waiting.values()) // FEWER
        long = [key for key, backlog in waiting.items() if backlog.frames > few]
        if len(long) == max(cameras, len(waiting)):
            return Ingest(self.shares(waiting, room, room))
        turn = min(self._last_turn.get(key, 0) for key in long)
        first = {
            key: backlog
            for key, backlog in waiting.items()
            if backlog.frames <= few and self._last_turn.get(key, 0) < turn
        }
        return Ingest(self.shares(first or waiting, room, short_room))

    def shares(self, waiting: Mapping[K, Backlog], room: int, filled: int) -> dict[K, int]:
        """How many frames of each camera one pass takes. `filled`: the tokens up to which it takes
        more than one of a camera.
        """
        last_turn = self._last_turn
        most = max(1, room // min(backlog.tokens for backlog in waiting.values()))
        spared = _spared(waiting, last_turn)
        turns = heapq.nsmallest(
            most,
            (key for key in waiting if key not in spared),
            key=lambda key: (last_turn.get(key, 0), waiting[key].since),
        )
        chosen, left = turns[:1], room - waiting[turns[0]].tokens
        for key in turns[1:]:
            if waiting[key].tokens > left:
                break  # its turn is next: cameras with smaller frames do not overtake it
            chosen.append(key)
            left -= waiting[key].tokens
        shares = dict.fromkeys(chosen, 1)
        left -= max(0, room - filled)
        compressed = sum(waiting[key].compresses(1) for key in chosen)
        wanting = chosen
        while wanting:
            wanting = [key for key in wanting if shares[key] < waiting[key].frames]
            for key in list(wanting):
                backlog, count = waiting[key], shares[key]
                more = backlog.compresses(count + 1) and not backlog.compresses(count)
                if backlog.tokens > left or (more and compressed >= MOST_COMPRESSIONS):
                    wanting.remove(key)
                else:
                    compressed += more
                    shares[key] += 1
                    left -= backlog.tokens
        for key in chosen:
            self._turn += 1
            last_turn.pop(key, None)
            last_turn[key] = self._turn
        while len(last_turn) > REMEMBERED:
            del last_turn[next(iter(last_turn))]
        return shares


def _spared(waiting: Mapping[K, Backlog], last_turn: Mapping[K, int]) -> set[K]:
    """Cameras that sit this pass out, because enough memories are compressed in it already."""
    due = [key for key, backlog in waiting.items() if backlog.compresses(1)]
    due.sort(key=lambda key: (last_turn.get(key, 0), waiting[key].since))
    return set(due[MOST_COMPRESSIONS:])


class PassSize:
    """How many tokens one pass takes: as many as keep its slices short.

    A question that arrives in the middle of a pass waits for the end of a slice
    (a layer), so the length of a slice bounds its wait. The size starts at one
    frame and follows the measured times.
    """

    def __init__(self, most: int, slice_s: float, frame: int = 1) -> None:
        """`most`: tokens. `frame`: tokens of the largest frame, which a pass takes in any case."""
        self.tokens = frame
        self._frame = frame
        self._most = most
        self._slice_s = slice_s

    def took(self, tokens: int, slices: int, seconds: float) -> None:
        """Record a pass over `tokens`: its slices, and its time without passes it gave way to."""
        mean = seconds / max(1, slices)
        if mean > self._slice_s:
            self.tokens = max(self._frame, min(self.tokens, int(tokens * self._slice_s / mean)))
        elif tokens + self._frame > self.tokens and mean < self._slice_s / 2:
            self.tokens = min(self._most, 2 * self.tokens)

    def failed(self) -> None:
        """Halve the size: a pass failed and had to be tried again in halves."""
        self.tokens = max(self._frame, self.tokens // 2)
