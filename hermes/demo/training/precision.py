"""The number format in which a machine computes fastest."""

from __future__ import annotations

import time

import torch


def fast_dtype(device: torch.device | str = "cpu") -> torch.dtype:
    """bfloat16 if the device multiplies in it, else float32: many CPUs only emulate bfloat16."""
    if torch.device(device).type != "cpu":
        return torch.bfloat16
    return min((torch.bfloat16, torch.float32), key=_multiplication_s)


def _multiplication_s(dtype: torch.dtype) -> float:
    left, right = (torch.ones((512, 1024), dtype=dtype) for _ in range(2))
    took = []
    for _ in range(5):
        began = time.perf_counter()
        left @ right.mT
        took.append(time.perf_counter() - began)
    return min(took)
