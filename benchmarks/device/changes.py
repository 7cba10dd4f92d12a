"""Frames of which a share is new, taken in as changes and in full."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.device.report import Cell, Report
from benchmarks.device.subject import EVERY, Subject, arrivals
from benchmarks.scene import EXACTLY_NEW, Scene
from hermes.evaluation.clock import settle
from hermes.memory import ChangeConfig, MemoryState
from hermes.vlm import VideoMemory, take_together

SHARE = 0.15
"""Of a picture's places, how many are new in each frame."""

_ROUNDS = EVERY


def taking_changes(
    report: Report, of: Subject, cameras: Sequence[int], fitting: int | None
) -> None:
    """Frames a second, tower included, by the number of cameras whose frames arrive at once."""
    scene: Any = Scene(of.model)
    tokens = of.model.layout.tokens
    table = report.table(
        f"{of.name}: frames a second of full memories, {SHARE:.0%} of each picture new",
        (
            "cameras",
            "changes taken in, frames/s",
            "all taken in, frames/s",
            "ratio",
            "tokens taken",
        ),
        f"A frame has {tokens} tokens. The tower reads every frame, of which the share is new"
        " exactly: its features are replaced. All cameras show the same.",
    )
    states = {changes: _full(of, scene, changes) for changes in (EXACTLY_NEW, None)}
    for count in cameras:
        if fitting is None or count <= fitting:
            table.attempt(count, lambda: _row(of, scene, states, count))  # noqa: B023
        else:
            table.add(count, None, None, None, None)


def _row(
    of: Subject, scene: Any, states: dict[ChangeConfig | None, MemoryState], count: int
) -> Sequence[Cell]:
    rates, taken = [], []
    for changes, state in states.items():
        memories = [_memory(of, scene, changes) for _ in range(count)]
        try:
            for memory in memories:
                memory.restore(state)
            scene.advance(SHARE)
            _take(memories)  # not measured: all of this picture may be new to them
            before = memories[0].intake.taken
            rates.append(_rate(of, scene, memories))
            taken.append((memories[0].intake.taken - before) / _ROUNDS)
        finally:
            for memory in memories:
                memory.close()
    return *rates, rates[0] / rates[1], taken[0]


def _memory(of: Subject, scene: Any, changes: ChangeConfig | None) -> VideoMemory:
    return VideoMemory(
        scene, config=of.config, compress_every_frames=EVERY, changes=changes, slabs=of.slabs
    )


def _full(of: Subject, scene: Any, changes: ChangeConfig | None) -> MemoryState:
    """A memory that holds its budget of frames that were new all over."""
    memory = _memory(of, scene, changes)
    scene.tower = False
    for _ in range(of.budget // of.model.layout.tokens + 1):
        scene.cut()
        _take([memory])
    state = memory.state()
    memory.close()
    scene.tower = True
    return state


def _rate(of: Subject, scene: Any, memories: Sequence[VideoMemory]) -> float:
    """Frames a second."""
    took = 0.0
    for _ in range(_ROUNDS):
        scene.advance(SHARE)
        settle(of.device)
        began = time.perf_counter()
        _take(memories)
        settle(of.device)
        took += time.perf_counter() - began
    return _ROUNDS * len(memories) / took


def _take(memories: Sequence[VideoMemory]) -> None:
    for outcome in take_together(arrivals(memories)):
        if isinstance(outcome, Exception):
            raise outcome
