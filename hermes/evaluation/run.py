"""A run: all videos of a benchmark, one after another, each played once to all contenders."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from hermes.evaluation.answer import Answer
from hermes.evaluation.contenders import CHANGES
from hermes.evaluation.energy import EnergyMeter
from hermes.evaluation.footage import BrokenVideo, Footage, open_footage
from hermes.evaluation.item import Benchmark, Video
from hermes.evaluation.results import ResultsFile
from hermes.evaluation.screening import UNKNOWN_S, Screening, seats_of
from hermes.evaluation.settings import RunSettings
from hermes.evaluation.shared_tower import SharedTower
from hermes.evaluation.sitting import Seat
from hermes.vlm import VideoModel
from hermes.vlm.feature_unit import feature_unit

MISSING = "the video is missing"

Opener = Callable[[Path, float], Footage]
Progress = Callable[[str, float, float], None]
"""Called now and then: (video, seconds of video that are done, seconds of all)."""


def chosen(benchmark: Benchmark, settings: RunSettings) -> list[Video]:
    """The videos of a run: those of its shard, up to its limit."""
    found = list(benchmark.videos)
    if settings.shard is not None:
        number, parts = settings.shard
        found = found[number - 1 :: parts]
    return found if settings.limit is None else found[: settings.limit]


class Runner:
    """Plays videos to all contenders, and writes down what they answer."""

    def __init__(
        self,
        model: VideoModel,
        benchmark: Benchmark,
        settings: RunSettings,
        results: ResultsFile,
        *,
        opener: Opener = open_footage,
        on_progress: Progress = lambda video, done, whole: None,
    ) -> None:
        self.tower = SharedTower(model)
        self._model = cast(VideoModel, self.tower)
        self._benchmark = benchmark
        self._settings = settings
        self._asker = settings.asker(benchmark)
        self._results = results
        self._opener = opener
        self._on_progress = on_progress
        self._reserve = 0
        self._meter = EnergyMeter(model.shape.device)

    def run(self) -> None:
        """Play all videos that are not done. What was answered before is not asked again."""
        items = [item for video in self._benchmark.videos for item in video.items]
        if any(item.options for item in items):
            self._asker.check(self._model)
        # Of all shards, so that a part of a run finds what the whole would.
        self._reserve = self._asker.reserve(self._model, items)
        if CHANGES in self._settings.policies:
            feature_unit(self._model)  # now, so that no video's results depend on when it was
        videos = chosen(self._benchmark, self._settings)
        lengths = [video.end_s if math.isfinite(video.end_s) else UNKNOWN_S for video in videos]
        done, whole = 0.0, sum(lengths)
        for video, length in zip(videos, lengths, strict=True):
            if not self._results.is_done(video.name):
                self._on_progress(video.name, done, whole)
                self._play(video, done, whole)
            done += length
        self._on_progress("", whole, whole)

    def _play(self, video: Video, done_s: float, whole_s: float) -> None:
        self.tower.forget()
        began, energy = time.perf_counter(), self._meter.joules
        read, read_s = self.tower.frames, self.tower.seconds
        screening = Screening(
            video, self.tower, self._settings, self._asker, self._reserve, self._results
        )
        problem = ""
        try:
            if video.path is None:
                problem = MISSING
            else:
                footage = self._opener(video.path, self._settings.fps)
                screening.show(
                    footage, lambda at: self._on_progress(video.name, done_s + at, whole_s)
                )
        except BrokenVideo as error:
            problem = f"the video is broken: {error}"
        finally:
            screening.close()
        self._fill(video, problem)
        times: dict[str, Any] = {
            "tower_s": self.tower.seconds - read_s,
            "whole_s": time.perf_counter() - began,
        }
        if (used := self._meter.joules) is not None and energy is not None:
            times["joules"] = used - energy
        seats = seats_of(screening.sittings)
        self._results.finish(
            {
                "video": video.name,
                "problem": problem,
                "seconds": screening.seconds,
                "frames": screening.frames,
                "tower_frames": self.tower.frames - read,
                "late": screening.late,
                "faults": {_name_of(seat): seat.fault for seat in seats if seat.fault},
                "fed": _summed(seats, lambda seat: seat.frames),
                "times": {**times, "feed_s": _summed(seats, lambda seat: seat.feed_s)},
            }
        )

    def _fill(self, video: Video, problem: str) -> None:
        """An answer for each item that could not be asked, with the reason."""
        for item in video.items:
            for policy, budget in self._settings.contenders:
                unasked = Answer.unasked(video.name, item, policy, budget, problem or "not asked")
                self._results.add(unasked)


def _name_of(seat: Seat) -> str:
    return f"{seat.policy}@{seat.budget}"


def _summed(seats: Sequence[Seat], figure: Callable[[Seat], float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for seat in seats:
        found[_name_of(seat)] = found.get(_name_of(seat), 0) + figure(seat)
    return found
