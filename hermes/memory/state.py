"""A memory at one moment, on the host: tensors and a plain header, for snapshots."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

from torch import Tensor

from hermes.memory.config import LATER
from hermes.memory.coverage import MAX_GAPS, NEWEST
from hermes.memory.header import plain
from hermes.memory.limits import MemoryConfig
from hermes.memory.policies import RetentionPolicy
from hermes.memory.shape import CacheShape

STORED = "stored"
"""In the header's `shape`: the type of stored keys and values, if it is not the model's."""

NO_MEDIA = -(2**63)
"""Stands for a stamp without a media time in the tensor `stamps`."""


@dataclass(frozen=True, slots=True)
class MemoryState:
    """One memory at one moment, on the host.

    `header`: what JSON can hold. `tensors`, with n tokens in each of L layers:
    `keys` and `values` [L, kv_heads, n, head_dim] as they are stored, keys not rotated;
    `positions` [L, axes, n] int32; `frames` [L, n] int64; `patches` [L, n]
    int32; `stamps` [frames held, 4] int64 (number, capture ms, media ms, tokens
    taken in); `gaps` [gaps, 2] int64; and `guidance` [prompts, L, video tokens] fp32 if the
    next compression has any to use. Where frames leave out what has not changed also `until`
    [L, n] int64, as in a `Slab`, and `beside` [frames, 3] int64: number, capture ms and
    media ms of frames that are known though nothing of them is held.
    """

    header: dict[str, Any]
    tensors: dict[str, Tensor]


def kind_of(
    shape: CacheShape, config: MemoryConfig, policy: RetentionPolicy
) -> dict[str, dict[str, Any]]:
    """What a memory must have in common with the one that a state was taken of."""
    settings: dict[str, Any] = {"name": policy.name}
    for source in (policy, getattr(policy, "config", None)):
        if is_dataclass(source) and not isinstance(source, type):
            settings |= asdict(source)
            for each in fields(source):  # which snapshots of earlier releases do not have
                if each.metadata.get(LATER) and settings[each.name] == each.default:
                    del settings[each.name]
    kind: dict[str, Any] = {
        "layers": shape.layers,
        "kv_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "axes": shape.axes,
        "dtype": str(shape.dtype).removeprefix("torch."),
    }
    if shape.stored is not None:  # which snapshots of earlier releases do not have
        kind[STORED] = str(shape.stored).removeprefix("torch.")
    return {
        "shape": kind,
        "config": plain(asdict(config)),
        "policy": plain(settings),
    }


def state_limit(shape: CacheShape, config: MemoryConfig, prefix: int) -> int:
    """The most bytes of tensors that a state can have that such a memory restores.

    It may be one whose keys and values are stored in another type.
    """
    tokens = prefix + config.budget + config.headroom
    beside = shape.layers * (shape.axes * 4 + 8 + 4 + 2 * 4 + 4 * 8)  # each token of another frame
    if config.keep_present:
        beside += shape.layers * (8 + 3 * 8)  # and each replaced by another
    return tokens * (shape.widest_bytes_per_token + beside) + MAX_GAPS * 16 + NEWEST * 3 * 8
