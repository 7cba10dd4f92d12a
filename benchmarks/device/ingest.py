"""The cost of frames: of many cameras at once, with compression; and of snapshots."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from benchmarks.device.machine import Limits, peak_bytes
from benchmarks.device.report import Cell, Report
from benchmarks.device.subject import EVERY, PHASES, Subject, arrivals, feed
from hermes.engine import snapshot
from hermes.evaluation.clock import settle
from hermes.memory import MemoryState
from hermes.vlm import VideoMemory, take_together

_PASS = 32
"""The most frames in one pass."""

_MOST_ALONE = 8
"""The most cameras for which the alternative, one by one, is measured, too."""


def against_cameras(
    report: Report,
    of: Subject,
    limits: Limits,
    states: Sequence[MemoryState],
    cameras: Sequence[int],
    fitting: int | None,
) -> None:
    """Frames a second, by the number of cameras whose frames arrive at once."""
    flops = of.flops_per_frame(states[0])
    table = report.table(
        f"{of.name}: frames a second, every memory full, compressions included",
        (
            "cameras",
            "frames/s",
            "one by one, frames/s",
            "limit, frames/s",
            "of the limit, %",
            "peak on the device, GiB",
        ),
        f"Limit: {flops / 1e12:.3g} TFLOP a frame, vision included, at the"
        f" {limits.flops / 1e12:.3g} TFLOP/s that a large product of matrices reaches."
        f" One by one: measured up to {_MOST_ALONE} cameras.",
    )
    limit = limits.flops / flops
    for count in cameras:
        if fitting is None or count <= fitting:
            table.attempt(count, lambda: _row(of, states, count, limit))  # noqa: B023
        else:
            table.add(count, None, None, limit, None, None)
    if fitting is not None and cameras[-1] > fitting:
        table.note(f"{fitting} memories fit this device.")


def _row(of: Subject, states: Sequence[MemoryState], count: int, limit: float) -> Sequence[Cell]:
    memories: list[VideoMemory] = []
    try:
        memories.extend(of.restored(states[number % len(states)]) for number in range(count))
        found: list[float] = []
        peak = peak_bytes(of.device, lambda: found.append(rate(of, memories, _PASS)))
        alone = rate(of, memories, 1) if 1 < count <= _MOST_ALONE else None
    finally:
        for memory in memories:
            memory.close()
    own = None if peak is None else peak / 2**30
    return found[0], alone, limit, 100 * found[0] / limit, own


def rate(of: Subject, memories: Sequence[VideoMemory], together: int) -> float:
    """Frames a second, up to `together` in one pass. One unmeasured round first."""
    # Over so many rounds, memories of all phases are compressed as often as in the long run.
    rounds = EVERY if len(memories) < len(PHASES) else EVERY // len(PHASES)
    _round(memories, together)
    settle(of.device)
    began = time.perf_counter()
    for _ in range(rounds):
        _round(memories, together)
    settle(of.device)
    return rounds * len(memories) / (time.perf_counter() - began)


def _round(memories: Sequence[VideoMemory], together: int) -> None:
    for first in range(0, len(memories), together):
        for outcome in take_together(arrivals(memories[first : first + together])):
            if isinstance(outcome, Exception):
                raise outcome


def compression(report: Report, of: Subject, states: Sequence[MemoryState]) -> None:
    """A frame that is followed by a compression, against the others of its round."""
    usual, last = compression_s(of, states[0])
    table = report.table(
        f"{of.name}: a compression, guidance included, of a full memory",
        ("a frame, ms", "compression, ms", f"share of {EVERY} frames, %"),
    )
    table.add(1e3 * usual, 1e3 * (last - usual), 100 * (last - usual) / (EVERY * usual))


def compression_s(of: Subject, state: MemoryState) -> tuple[float, float]:
    """Seconds of a frame, and of one that is followed by a compression."""
    memory = of.restored(state)
    try:
        feed(memory, EVERY)  # warm
        times = []
        for _ in range(EVERY):
            settle(of.device)
            began = time.perf_counter()
            feed(memory, 1)
            settle(of.device)
            times.append(time.perf_counter() - began)
    finally:
        memory.close()
    *plain, last = times
    return sorted(plain)[len(plain) // 2], last


def snapshots(report: Report, of: Subject, states: Sequence[MemoryState]) -> None:
    """From a full memory to bytes and back."""
    memory = of.restored(states[-1])
    marks = [time.perf_counter()]

    def mark() -> None:
        settle(of.device)
        marks.append(time.perf_counter())

    state = memory.state()
    mark()
    data = snapshot.encode(state)
    mark()
    decoded = snapshot.decode(data, limit_bytes=snapshot.limit_of(memory))
    mark()
    memory.restore(decoded)
    mark()
    memory.close()
    taken = [1e3 * (after - before) for before, after in itertools.pairwise(marks)]
    table = report.table(
        f"{of.name}: a snapshot of a full memory, and back",
        (
            "MiB",
            "off the device, ms",
            "to bytes, checksum included, ms",
            "from bytes, ms",
            "onto the device, ms",
        ),
    )
    table.add(len(data) / 2**20, *taken)
