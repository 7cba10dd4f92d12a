"""The rotation of a model with multimodal RoPE, found by probing the model's own embedding."""

from __future__ import annotations

from typing import Any

import torch

from hermes.errors import Unsupported
from hermes.memory import Rotary

AXES = 3
"""Time, height, width."""


def probe(embedding: Any, device: torch.device, name: str) -> Rotary:
    """The `Rotary` that is equal to `embedding`, a transformers module.

    However a family assigns channels to axes, a step along one axis rotates the
    channels of that axis only. Raises `Unsupported` for a rotation that scales
    at position 0 or mixes axes.
    """
    # Columns: the origin, one step on each axis, one step on all.
    positions = torch.cat((torch.zeros(AXES, 1), torch.eye(AXES), torch.ones(AXES, 1)), dim=1)
    wide = torch.zeros((1, 1), dtype=torch.float32, device=device)
    cos, sin = embedding(wide, positions.to(device, torch.int64).unsqueeze(1))
    cos, sin = cos[0].float(), sin[0].float()  # [steps, head_dim]
    if not (torch.all(cos[0] == 1) and torch.all(sin[0] == 0)):
        raise Unsupported(f"{name}: its RoPE scales keys at position 0")
    angles = torch.atan2(sin, cos)
    axis = angles[1 : 1 + AXES].abs().argmax(dim=0)
    # Angles computed from sines are rounded, which matters at far positions: take the model's own.
    half = embedding.inv_freq.to(device, torch.float32)
    frequencies = torch.cat((half, half))
    steps = torch.zeros_like(angles[: AXES + 2])
    steps[1 + axis, torch.arange(len(axis), device=device)] = frequencies
    steps[-1] = frequencies
    if not torch.allclose(angles, steps, rtol=1e-5, atol=1e-7):
        raise Unsupported(f"{name}: its RoPE does not rotate each channel by one axis")
    return Rotary(frequencies, axis, float(embedding.attention_scaling))
