"""One video, played once: pictures go to all contenders, questions are asked when they are due."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import cast

from torch import Tensor

from hermes.evaluation.answer import Answer
from hermes.evaluation.asking import Asker, Said
from hermes.evaluation.footage import Footage
from hermes.evaluation.item import Item, Video
from hermes.evaluation.memory import Memory
from hermes.evaluation.results import ResultsFile
from hermes.evaluation.rules import says_yes
from hermes.evaluation.settings import RunSettings
from hermes.evaluation.shared_tower import SharedTower
from hermes.evaluation.sitting import (
    FAULTS,
    Moment,
    Seat,
    Sitting,
    bytes_of,
    readable,
    taken_by,
)
from hermes.vlm import VideoModel
from hermes.vlm.preprocess import fit

_POLL_S = 1.0
_LEAST_S = 1e-3  # a question at the very start sees the first picture
UNKNOWN_S = 3600.0
"""The length of a video that no one tells, to make room and to show progress."""


@dataclass(frozen=True, slots=True)
class Due:
    """An item that is due at a time. `last`: it is not due again."""

    at_s: float
    sitting: Sitting
    item: Item
    last: bool = True


class Screening:
    """One playing of one video. `sittings`: the stretches of it that are seen."""

    def __init__(
        self,
        video: Video,
        tower: SharedTower,
        settings: RunSettings,
        asker: Asker,
        reserve: int,
        results: ResultsFile,
    ) -> None:
        """`reserve`: positions for a question and its answer."""
        self._reserve = reserve
        self._video = video
        self._tower = tower
        self._model = cast(VideoModel, tower)
        self._settings = settings
        self._asker = asker
        self._results = results
        self._pending: list[Moment] = []
        self._tower_waited_s = 0.0
        self.seconds = 0.0
        """The time of the newest picture."""
        self.frames = 0
        self.late: list[str] = []
        """Items that were due after the video's end."""
        self.sittings = self._stretches()
        dues = [due for sitting in self.sittings for due in _agenda(sitting)]
        self._agenda = sorted(dues, key=lambda due: due.at_s)
        self._agenda.reverse()

    def _stretches(self) -> list[Sitting]:
        found: dict[float, list[Item]] = {}
        for item in self._video.items:
            since, context = item.since_s, self._settings.context_s
            if context is not None and item.watch is None and math.isfinite(item.at_s):
                since = max(since, item.at_s - context)
            found.setdefault(since, []).append(item)
        return [
            Sitting(self._model, self._settings, self._reserve, since, items)
            for since, items in found.items()
        ]

    def show(self, footage: Footage, on_progress: Callable[[float], None]) -> None:
        """Play it. Raises `BrokenVideo` where it cannot be read further."""
        with closing(footage.play()) as pictures:
            for at, picture in pictures:
                while self._agenda and self._agenda[-1].at_s <= at:
                    self._flush()
                    self._ask(self._agenda.pop())
                    on_progress(at)
                if not self._agenda:
                    return
                self._begin(at, footage.seconds or UNKNOWN_S)
                self._add(at, picture)
                if len(self._pending) >= self._settings.together:
                    self._flush()
                    on_progress(at)
        self._flush()
        while self._agenda:
            due = self._agenda.pop()
            ended = self.seconds + 1 / self._settings.fps
            if ended < due.at_s < math.inf and due.item.key not in self.late:
                self.late.append(due.item.key)
            self._ask(due)

    def close(self) -> None:
        """End all memories."""
        for sitting in self.sittings:
            sitting.close()

    def _begin(self, at: float, length_s: float) -> None:
        for sitting in self.sittings:
            if not sitting.begun and sitting.left and sitting.since_s <= at:
                last = max(item.last_s for item in sitting.items)
                sitting.begin(min(last, length_s) - sitting.since_s)

    def _add(self, at: float, picture: Tensor) -> None:
        """In the model's size, so that a picture is made smaller once."""
        height, width = picture.shape[-2:]
        size = self._model.fitted((height, width))
        if not self.frames:
            # A contender may look again at as many frames as fit into the budget.
            window = max(self._settings.budgets) // self._model.layout_of(size).tokens
            self._tower.most = window + 4 * self._settings.together
        self._pending.append((at, fit(picture.unsqueeze(0), size)[0].contiguous()))
        self.frames += 1
        self.seconds = at

    def _flush(self) -> None:
        """Have all contenders take in the pictures that wait."""
        read = self._tower.seconds
        for sitting in self.sittings:
            if sitting.begun and sitting.left:
                sitting.feed(self._pending, self._tower)
        self._tower_waited_s = self._tower.seconds - read
        self._pending.clear()

    def _ask(self, due: Due) -> None:
        sitting = due.sitting
        if not sitting.begun:  # the video ended before this stretch began
            sitting.begin(0.0)
        for seat in sitting.seats:
            if not self._results.has(*seat.contender, due.item.key):
                answer = self._answer(due, seat)
                if answer is not None:
                    self._results.add(answer)
        if due.last:
            sitting.left -= 1
            if not sitting.left:
                sitting.close()

    def _answer(self, due: Due, seat: Seat) -> Answer | None:
        """A contender's answer; None if a watched item goes on being watched."""
        item, memory = due.item, seat.memory
        if memory is None:
            return Answer.unasked(self._video.name, item, *seat.contender, seat.fault)
        polls = seat.polls.setdefault(item.key, [])
        try:
            with self._tower.asking():
                if item.watch is None:
                    said = self._asker.ask(memory, item)
                else:
                    made, said = self._asker.poll(memory, item, due.at_s)
                    polls += made
                    if not (due.last or says_yes(made[0].said)):
                        return None
        except FAULTS as error:
            fault = f"{type(error).__name__}: {error}"
            return Answer.unasked(self._video.name, item, *seat.contender, fault)
        return self._answered(item, seat, memory, said)

    def _answered(self, item: Item, seat: Seat, memory: Memory, said: Said) -> Answer:
        device, host = bytes_of(memory)
        asked_s = item.at_s if math.isfinite(item.at_s) else self.seconds
        return Answer(
            video=self._video.name,
            key=item.key,
            task=item.task,
            group=item.group,
            rule=item.rule,
            gold=item.gold,
            policy=seat.policy,
            budget=seat.budget,
            text=said.text,
            options=item.options,
            probabilities=said.probabilities,
            chosen=said.chosen,
            polls=tuple(seat.polls[item.key]),
            right_s=None if item.watch is None else item.watch.right_s,
            repeats=item.repeats,
            question="" if item.rule != "judged" else item.question,
            seen_s=self.seconds,
            age_s=None if item.evidence_s is None else asked_s - item.evidence_s,
            frames=seat.frames,
            taken=taken_by(memory),
            read=readable(memory),
            device_bytes=device,
            host_bytes=host,
            times={
                "warm_s": said.first_s,
                "fresh_s": said.first_s + seat.waited_s + self._tower_waited_s,
                "whole_s": said.whole_s,
            },
        )


def _agenda(sitting: Sitting) -> Iterator[Due]:
    for item in sitting.items:
        if item.watch is None:
            yield Due(max(item.at_s, sitting.since_s + _LEAST_S), sitting, item)
            continue
        at = item.at_s
        while at <= item.watch.until_s:
            yield Due(at, sitting, item, last=at + _POLL_S > item.watch.until_s)
            at += _POLL_S


def seats_of(sittings: Sequence[Sitting]) -> list[Seat]:
    """All contenders in all stretches."""
    return [seat for sitting in sittings for seat in sitting.seats]
