"""`make bench-memory`: every memory on the same streams, questions and budget."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from benchmarks.baselines.memories import CHANGES
from benchmarks.quality import choices as of_choices
from benchmarks.quality import curves, evidence, spans
from benchmarks.quality.contenders import ablations, change_settings, contenders
from benchmarks.quality.disturbances import DISTURBANCES
from benchmarks.quality.narrowed import narrow
from benchmarks.quality.report import by_era, by_kind
from benchmarks.quality.run import (
    TOGETHER,
    UNBOUNDED,
    Result,
    Task,
    Verdicts,
    merged,
    perform_all,
    verdicts,
)
from benchmarks.quality.score import Verdict, share_of
from hermes.demo.checkpoint import FRAME_TOKENS, WEIGHTS

T = TypeVar("T")

TRAINED_FRAMES = 24
LONG_FRAMES = 120
BUDGET = 192
SHARE = 0.32
"""Of a stream's tokens: the paper's cut of 68%."""

TIGHT = 96
LENGTHS = {480: 4, 2400: 6, 10_000: 48}
"""Frames of a long stream, and which part of the streams is run at that length."""

CHAPTER_S = 60.0
BUDGETS = (96, 128, 192, 256)
AGES = (0, 6, 12, 24, 40, 60, 80, 120)
AGE_FIGURES = "memory-age.json"


def main() -> None:
    """Measure, print the tables, draw the curves."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--streams", type=int, default=100, help="of each kind")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--model", default=str(WEIGHTS), help="checkpoint folder")
    parser.add_argument("--plots", type=Path, default=Path("docs/images"))
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--redraw", action="store_true", help="the recorded figures; no run")
    options = parser.parse_args()
    if options.redraw:
        draw_ages(options)
        return
    began = time.monotonic()
    for name in options.only:
        print(f"\n## {name}\n", flush=True)
        PARTS[name](options)
        print(f"[{time.monotonic() - began:.0f} s]", file=sys.stderr, flush=True)


def within(options: argparse.Namespace) -> None:
    """Streams of the length that the model was trained on: it, and a third of its memory."""
    names = (UNBOUNDED, "hermes", "hermes-paper", "sliding-window", "uniform")
    budget = round(SHARE * TRAINED_FRAMES * FRAME_TOKENS)
    print(f"{options.streams} streams of {TRAINED_FRAMES} frames, budget {budget} tokens\n")
    print(by_kind(verdicts(_measure(options, TRAINED_FRAMES, budget, names))))


def elsewhere(options: argparse.Namespace) -> None:
    """The same with everything kept, on worlds unlike those of training."""
    found: dict[str, Verdicts] = {}
    for label, changed in (
        ("looks never seen in training", {"looks": "all"}),
        ("four frames a second", {"step": 0.25}),
        ("a frame in three seconds", {"step": 3.0}),
        ("H.264 at low bitrate", {"through": "H.264 36"}),
    ):
        tasks = _measure(options, TRAINED_FRAMES, BUDGET, (UNBOUNDED,), **changed)
        found[label] = tasks[UNBOUNDED].verdicts
    print(by_kind(found))


def long(options: argparse.Namespace) -> None:
    """Streams ten times as long as the budget."""
    names = (UNBOUNDED, *contenders())
    print(
        f"{options.streams} streams of {LONG_FRAMES} frames, {LONG_FRAMES * FRAME_TOKENS} tokens;"
        f" budget {BUDGET} tokens, {BUDGET // FRAME_TOKENS} frames\n"
    )
    found = verdicts(_measure(options, LONG_FRAMES, BUDGET, names))
    held = dict.fromkeys(names, str(BUDGET)) | {UNBOUNDED: str(LONG_FRAMES * FRAME_TOKENS)}
    print(by_era(found, BUDGET / FRAME_TOKENS, held))
    print()
    print(by_kind(found))
    curves.record(curves.by_age(found, AGES), options.plots / AGE_FIGURES)
    draw_ages(options)


def draw_ages(options: argparse.Namespace) -> None:
    """Draw the curves by age from the figures of the last run."""
    shares = curves.recorded(options.plots / AGE_FIGURES)
    curves.against_age(shares, AGES, BUDGET / FRAME_TOKENS, options.plots / "memory-age.png")


def changes(options: argparse.Namespace) -> None:
    """HERMES with one choice changed at a time, on the long streams."""
    found = verdicts(_measure(options, LONG_FRAMES, BUDGET, ("hermes", *ablations())))
    print(by_era(found, BUDGET / FRAME_TOKENS, {}))


def fewer_bits(options: argparse.Namespace) -> None:
    """HERMES with keys and values in fewer bits, simulated, on the long streams."""
    found = verdicts(_measure(options, LONG_FRAMES, BUDGET, ("hermes", *narrow())))
    print(by_era(found, BUDGET / FRAME_TOKENS, {}))


def budgets(options: argparse.Namespace) -> None:
    """All questions at several budgets, on the long streams."""
    names = ("hermes", "hermes-paper", "sliding-window", "uniform", "attention-sinks")
    found = {
        budget: verdicts(
            _measure(options, LONG_FRAMES, budget, names, streams=options.streams // 2)
        )
        for budget in BUDGETS
    }
    for budget, results in found.items():
        print(f"{budget} tokens: " + ", ".join(f"{k} {share_of(v)}" for k, v in results.items()))
    curves.against_budget(found, FRAME_TOKENS, options.plots / "memory-budget.png")


def by_world(options: argparse.Namespace) -> None:
    """Taking in changes against taking in everything, through all that lies before a lens."""
    names = (CHANGES, "hermes")
    print(f"{options.streams} streams of {LONG_FRAMES} frames each, budget {TIGHT} tokens\n")
    for through in DISTURBANCES:
        found = _measure(options, LONG_FRAMES, TIGHT, names, through=through)
        _compared(found, TIGHT, f"{through}: ")


def by_length(options: argparse.Namespace) -> None:
    """The same on longer streams, in which an object comes by every minute."""
    for frames, share in LENGTHS.items():
        streams = max(1, options.streams // share)
        for budget in (TIGHT, BUDGET):
            print(f"{streams} streams of {frames} frames, budget {budget} tokens\n")
            found = _measure(
                options, frames, budget, (CHANGES, "hermes"), streams=streams, chapter_s=CHAPTER_S
            )
            _compared(found, budget)


def change_choices(options: argparse.Namespace) -> None:
    """Taking in changes with one choice changed at a time."""
    print(f"{options.streams} streams of {LONG_FRAMES} frames, budget {TIGHT} tokens\n")
    _compared(_measure(options, LONG_FRAMES, TIGHT, (CHANGES, *change_settings())), TIGHT)


def of_spans(options: argparse.Namespace) -> None:
    """Questions about a span, whose answers differ from those about the whole stream."""
    for setting in (spans.WHOLE, spans.THINNED):
        found: dict[str, list[Verdict]] = {}
        for one in each_stream(
            options, spans.perform, LONG_FRAMES, setting, first=spans.FIRST_SEED
        ):
            for name, judged in one.items():
                found.setdefault(name, []).extend(judged)
        print(
            f"{setting.label}; {spans.SPANS} spans of {setting.length} frames in the newest"
            f" {setting.newest} of each of {options.streams} streams of {LONG_FRAMES} frames\n"
        )
        print(spans.by_age(found))
        print()
        print(by_kind(found, spans.KINDS_ASKED), "\n")


def of_evidence(options: argparse.Namespace) -> None:
    """Whether the frames named as evidence show what was asked about."""
    weighed = [
        one
        for found in each_stream(
            options,
            evidence.perform,
            LONG_FRAMES,
            BUDGET,
            first=evidence.FIRST_SEED,
            together=TOGETHER,
        )
        for one in found
    ]
    print(f"{options.streams} streams of {LONG_FRAMES} frames, budget {BUDGET} tokens\n")
    print(evidence.table_of(weighed))


def each_stream(
    options: argparse.Namespace,
    perform: Callable[..., T],
    *settings: object,
    first: int = 0,
    together: int = 0,
) -> Iterator[T]:
    """What `perform` finds for each stream, in order. `first`: the seed of the first. `together`:
    it is given so many seeds at once.
    """
    seeds: Sequence[object] = range(first, first + options.streams)
    if together:
        seeds = [seeds[at : at + together] for at in range(0, len(seeds), together)]
    same = [repeat(setting, len(seeds)) for setting in (*settings, options.model)]
    if options.processes == 1:
        yield from map(perform, seeds, *same)
        return
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(perform, seeds, *same)


def choices(options: argparse.Namespace) -> None:
    """The probabilities of choices, where one of them is known to be right."""
    found = {
        f"{streams} of {frames} frames": of_choices.measure(
            streams, frames, BUDGET, options.model, options.processes
        )
        for frames, streams in (
            (TRAINED_FRAMES, options.streams),
            (LONG_FRAMES, max(1, options.streams // 2)),
        )
    }
    print(of_choices.report(found))


def _compared(found: dict[str, Result], budget: int, label: str = "") -> None:
    tokens = {f"{label}{name}": f"{result.tokens_a_frame:.2f}" for name, result in found.items()}
    rows = {f"{label}{name}": result.verdicts for name, result in found.items()}
    print(by_era(rows, budget / FRAME_TOKENS, tokens, "taken in a frame"))
    print(flush=True)


def _measure(
    options: argparse.Namespace,
    frames: int,
    budget: int,
    names: tuple[str, ...],
    *,
    streams: int = 0,
    step: float = 1.0,
    looks: str = "trained",
    through: str = "none",
    chapter_s: float = 0.0,
) -> dict[str, Result]:
    tasks = [
        Task(
            seed,
            frames,
            budget,
            names,
            step=step,
            looks=looks,
            through=through,
            chapter_s=chapter_s,
        )
        for seed in range(streams or options.streams)
    ]
    return merged(perform_all(tasks, options.processes, options.model))


PARTS = {
    "within": within,
    "elsewhere": elsewhere,
    "long": long,
    "changes": changes,
    "budgets": budgets,
    "fewer-bits": fewer_bits,
    "by-world": by_world,
    "by-length": by_length,
    "change-choices": change_choices,
    "spans": of_spans,
    "evidence": of_evidence,
    "choices": choices,
}

if __name__ == "__main__":
    main()
