"""A benchmark's rows, as a Markdown table. Ratios are taken within one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: ours against the alternative, in seconds per operation or in bytes."""

    what: str
    ours_s: float
    alternative: str
    alternative_s: float
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """How many times faster ours is (below 1: slower)."""
        return self.alternative_s / self.ours_s


def interleaved(
    ours: Callable[[], object], alternative: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Median seconds of each, measured in turn so that both see the same machine."""
    ours(), alternative()  # warm-up
    pairs = [(timed(ours), timed(alternative)) for _ in range(rounds)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def least(works: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """The least seconds of CPU of each, on this thread, measured in turn.

    Other work on the machine counts little: use it where one thread computes.
    """
    for work in works:
        work()  # warm-up
    found = [[_cpu(work) for work in works] for _ in range(rounds)]
    return [min(times) for times in zip(*found, strict=True)]


def _cpu(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def timed(work: Callable[[], object]) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def render(rows: list[Row]) -> str:
    """Markdown."""
    lines = ["| what | ours | alternative | its time | ratio |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row.what} | {_human(row.ours_s, row.unit)} | {row.alternative} |"
        f" {_human(row.alternative_s, row.unit)} | {row.ratio:.2f}x |"
        for row in rows
    ]
    return "\n".join(lines)


def _human(amount: float, unit: str) -> str:
    return f"{amount / 2**20:,.0f} MiB" if unit == "B" else _time(amount)


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"
