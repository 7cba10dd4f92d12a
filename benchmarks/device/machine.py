"""The device itself: its clock, and its limits."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from hermes.evaluation.clock import settle

ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Limits:
    """What was measured of a device: multiplications and additions, and bytes read, per second."""

    flops: float
    bytes_s: float


def name_of(device: torch.device) -> str:
    """The device's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def seconds(work: Callable[[], object], device: torch.device, rounds: int = ROUNDS) -> float:
    """Median seconds of `work`, device time included. It runs once unmeasured first."""
    work()
    taken = []
    for _ in range(rounds):
        settle(device)
        began = time.perf_counter()
        work()
        settle(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def limits_of(device: torch.device, dtype: torch.dtype) -> Limits:
    """Measure a large product of matrices, and a copy of memory."""
    side, length = (8192, 1 << 30) if device.type == "cuda" else (1024, 1 << 27)
    left = torch.randn((side, side), device=device).to(dtype)
    product = seconds(lambda: left @ left, device)
    source = torch.zeros(length, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copied = seconds(lambda: target.copy_(source), device)
    return Limits(2 * side**3 / product, 2 * length / copied)


def peak_bytes(device: torch.device, work: Callable[[], object]) -> int | None:
    """The most memory that is held on a GPU during `work`, or None elsewhere."""
    if device.type != "cuda":
        work()
        return None
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return torch.cuda.max_memory_allocated(device)
