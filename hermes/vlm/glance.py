"""A glance: what of the frames that come next is new, for many cameras at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hermes.memory.changes import Changes, Look, Seen, Shown
from hermes.vlm.encoded import EncodedFrame


@dataclass(frozen=True, slots=True)
class Coming:
    """Frames of one camera that come next, in order, and what is known of the picture before them.

    `times_ms`: when each was captured.
    """

    changes: Changes
    seen: Seen | None
    frames: tuple[EncodedFrame, ...]
    times_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Glance:
    """A look at frames that come next. Nothing has waited for the device yet.

    `numbers`: [frames, 2] fp32 on the device: how many places of each frame are to be
    taken in, and the share that changed.
    """

    frames: tuple[EncodedFrame, ...]
    looks: tuple[Look, ...]
    numbers: Tensor

    def part(self, some: slice) -> Glance:
        """The same look at some of the frames."""
        return Glance(self.frames[some], self.looks[some], self.numbers[some])


def glances(coming: Sequence[Coming]) -> list[Glance]:
    """Look at the frames of many cameras: at the first of each, then at the second of each."""
    if not coming:
        return []
    looks: list[list[Look]] = [[] for _ in coming]
    for number in range(max(len(own.frames) for own in coming)):
        alike: dict[Hashable, list[int]] = {}
        for place, own in enumerate(coming):
            if number < len(own.frames):
                alike.setdefault(own.changes.alike, []).append(place)
        for places in alike.values():
            shown = [_shown(coming[place], looks[place]) for place in places]
            found = coming[places[0]].changes.looks(shown)
            for place, look in zip(places, found, strict=True):
                looks[place].append(look)
    numbers = torch.stack([look.numbers for own in looks for look in own])
    parts = numbers.split([len(own) for own in looks])
    return [
        Glance(own.frames, tuple(found), part)
        for own, found, part in zip(coming, looks, parts, strict=True)
    ]


def _shown(coming: Coming, looks: Sequence[Look]) -> Shown:
    """The next frame after those that were looked at."""
    frame, time_ms = coming.frames[len(looks)], coming.times_ms[len(looks)]
    seen = looks[-1].seen if looks else coming.seen
    return Shown(seen, frame.features[frame.layout.picture], time_ms, frame.layout.sides)
