"""Whether the probabilities of choices mean what they say: on questions with a known answer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from statistics import fmean, quantiles

import torch

from benchmarks.quality.report import table
from benchmarks.quality.worlds import make_world
from hermes.demo.questions import Moment, every
from hermes.demo.scenes import COLOURS, TRAINED
from hermes.evaluation.share import Share
from hermes.vlm import VideoMemory, VideoModel, load

YES_NO = ("yes", "no")
KINDS = {
    "appeared": YES_NO,
    "shape-appeared": YES_NO,
    "colour-now": COLOURS,
    "colour-past": COLOURS,
}
"""The kinds of questions that are asked, with their choices."""

BINS = 10
EVERY_FRAMES = 4
_RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Scored:
    """A question with choices: the probability of each, and which was right."""

    kind: str
    stream: int
    probabilities: tuple[float, ...]
    right: int

    @property
    def confidence(self) -> float:
        """The probability of the likeliest choice."""
        return max(self.probabilities)

    @property
    def is_right(self) -> bool:
        """Whether the likeliest choice is the right one."""
        return self.probabilities.index(self.confidence) == self.right


def ask_all(seed: int, frames: int, budget: int, folder: str) -> list[Scored]:
    """All questions of `KINDS` that there are at the end of one stream."""
    world = make_world(seed, frames, looks=TRAINED)
    memory = VideoMemory(_model(folder), budget=budget, compress_every_frames=EVERY_FRAMES)
    memory.feed(world.pictures)
    found = []
    for question in every(Moment(world.scene, world.end, TRAINED)):
        if (choices := KINDS.get(question.kind)) is not None:
            scored = memory.choose(question.text, choices)
            probabilities = tuple(choice.probability for choice in scored)
            right = choices.index(question.answer)
            found.append(Scored(question.kind, seed, probabilities, right))
    memory.close()
    return found


@cache
def _model(folder: str) -> VideoModel:
    torch.set_num_threads(1)
    return load(folder)


def measure(streams: int, frames: int, budget: int, folder: str, processes: int) -> list[Scored]:
    """The questions of so many streams, in so many processes."""
    seeds = range(streams)
    rest = [frames] * streams, [budget] * streams, [folder] * streams
    if processes == 1:
        return [each for found in map(ask_all, seeds, *rest) for each in found]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return [each for found in pool.map(ask_all, seeds, *rest) for each in found]


def area(scored: Iterable[Scored]) -> float:
    """The area under the ROC curve of the first choice: how often it is more probable where it is
    right than where it is not. Of equal ones half.
    """
    ranked = sorted((one.probabilities[0], one.right == 0) for one in scored)
    positives = sum(is_first for _, is_first in ranked)
    pairs = positives * (len(ranked) - positives)
    below, won, at = 0, 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        firsts = sum(is_first for _, is_first in ranked[at:end])
        others = end - at - firsts
        won += firsts * (below + others / 2)
        below += others
        at = end
    return won / pairs if pairs else float("nan")


def calibration_error(scored: Sequence[Scored]) -> float:
    """The expected calibration error: how far the share of right answers is from the mean
    confidence, in bins of equal width, weighted by their questions.
    """
    bins: dict[int, list[Scored]] = {}
    for one in scored:
        bins.setdefault(min(BINS - 1, int(one.confidence * BINS)), []).append(one)
    return sum(
        len(own) * abs(fmean(one.is_right for one in own) - fmean(one.confidence for one in own))
        for own in bins.values()
    ) / len(scored)


def area_interval(scored: Sequence[Scored]) -> tuple[float, float]:
    """Its 95% interval: a bootstrap over streams."""
    streams: dict[int, list[Scored]] = {}
    for one in scored:
        streams.setdefault(one.stream, []).append(one)
    rng, of = random.Random(0), list(streams.values())
    areas = [
        area(one for own in rng.choices(of, k=len(of)) for one in own) for _ in range(_RESAMPLES)
    ]
    cuts = quantiles(areas, n=40)
    return cuts[0], cuts[-1]


def report(results: dict[str, list[Scored]]) -> str:
    """A row for each kind of question and each setting."""
    rows = []
    for label, scored in results.items():
        for kind, choices in KINDS.items():
            own = [one for one in scored if one.kind == kind]
            if not own:
                continue
            low, high = area_interval(own) if choices is YES_NO else (0, 0)
            shown = f"{area(own):.3f} ({low:.3f}-{high:.3f})" if choices is YES_NO else "-"
            right = Share(sum(one.is_right for one in own), len(own))
            mean = fmean(one.confidence for one in own)
            rows.append(
                [
                    label,
                    kind,
                    str(len(own)),
                    shown,
                    str(right),
                    f"{100 * mean:.1f}",
                    f"{100 * calibration_error(own):.1f}",
                ]
            )
    head = ["streams", "kind", "questions", "AUC", "right", "mean confidence", "ECE"]
    return table(head, rows)
