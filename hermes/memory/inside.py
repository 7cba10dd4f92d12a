"""The contents of a memory: which frames each layer holds, and how much of each."""

from __future__ import annotations

import torch
from torch import Tensor

from hermes.contents import HeldFrame, LayerContents, MemoryContents
from hermes.memory.bands import Bands
from hermes.memory.stream import StreamMemory
from hermes.memory.summary import SUMMARY_PATCH


def look_inside(memory: StreamMemory) -> MemoryContents:
    """Describe what `memory` holds now. Call it on the memory's thread: it copies to the host."""
    frames, patches = memory.identities()
    bands = {
        layer: name for name, layers in Bands.of(memory.shape.layers).items() for layer in layers
    }
    stamps = memory.stamps()
    reasons = memory.coverage().gap_reasons
    media = {number: stamp.media_ms for number, stamp in stamps if stamp.media_ms is not None}
    return MemoryContents(
        policy=memory.policy.name,
        budget=memory.config.budget,
        tokens=memory.video_tokens,
        bytes=memory.kv_bytes,
        frame_tokens=memory.frame_tokens,
        frames_seen=memory.coverage().frames_seen,
        times={number: stamp.capture_ms for number, stamp in stamps},
        gaps=memory.coverage().gaps,
        gap_reasons=reasons if any(reasons) else (),
        layers=tuple(
            LayerContents(layer, bands[layer], _held(frames[layer], patches[layer]))
            for layer in range(memory.shape.layers)
        ),
        taken=memory.taken(),
        media=media if len(media) == len(stamps) else {},
    )


def _held(frames: Tensor, patches: Tensor) -> tuple[HeldFrame, ...]:
    numbers, at = torch.unique(frames, return_inverse=True)
    summary = patches == SUMMARY_PATCH
    tokens = torch.bincount(at[~summary], minlength=len(numbers)).tolist()
    summaries = torch.bincount(at[summary], minlength=len(numbers)).tolist()
    return tuple(map(HeldFrame, numbers.tolist(), tokens, summaries))
