"""What a contender took: tokens, bytes, times, energy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hermes.evaluation.results import Results


@dataclass(frozen=True, slots=True)
class Figures:
    """NaN where nothing was measured.

    `taken`: tokens taken in, of a picture. `read`: tokens of video that an answer could read in a
    layer, on average. `device_bytes`, `host_bytes`: between questions, at most. `warm_s`,
    `fresh_s`: time to the first token, median and 95th percentile. `pictures_s`: pictures taken in
    a second, the tower included. `shown`: pictures fed.
    """

    taken: float
    read: float
    device_bytes: float
    host_bytes: float
    warm_s: tuple[float, float]
    fresh_s: tuple[float, float]
    pictures_s: float
    shown: int

    @classmethod
    def of(cls, results: Results, contender: tuple[str, int]) -> Figures:
        """Those of a contender in a run."""
        own = [a for a in results.answers if a.contender == contender and a.text is not None]
        name = f"{contender[0]}@{contender[1]}"
        played = [video for video in results.videos if video["fed"].get(name)]
        shown = sum(video["fed"][name] for video in played)
        seconds = sum(
            video["times"]["feed_s"][name] + video["times"]["tower_s"] for video in played
        )
        last = {(answer.video, answer.frames): answer.taken for answer in own}
        frames = sum(frames for _, frames in last)
        return cls(
            taken=sum(last.values()) / frames if frames else math.nan,
            read=_mean(answer.read for answer in own),
            device_bytes=max((answer.device_bytes for answer in own), default=math.nan),
            host_bytes=max((answer.host_bytes for answer in own), default=math.nan),
            warm_s=_spread([answer.times["warm_s"] for answer in own]),
            fresh_s=_spread([answer.times["fresh_s"] for answer in own]),
            pictures_s=shown / seconds if seconds else math.nan,
            shown=shown,
        )


def joules_of(results: Results) -> float | None:
    """Energy of the whole run, all contenders together; None where the device does not tell."""
    known = [video["times"].get("joules") for video in results.videos if video["frames"]]
    if not known or None in known:
        return None
    return float(sum(known))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else math.nan


def _spread(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return math.nan, math.nan
    return float(np.median(values)), float(np.quantile(values, 0.95))
