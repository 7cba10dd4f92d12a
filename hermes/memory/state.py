"""Everything that a memory is, as tensors and a plain header: for snapshots.

The header holds what JSON can; `MemoryState`s may come from outside, so that a
restore checks every number and every size before it allocates or changes
anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hermes.errors import SnapshotCorrupt, SnapshotMismatch
from hermes.memory.coverage import MAX_GAPS, FrameStamp, FrameTable, held_frames
from hermes.memory.policies import RetentionPolicy
from hermes.memory.shape import CacheShape
from hermes.memory.slab import Slab

if TYPE_CHECKING:
    from hermes.memory.limits import MemoryConfig
    from hermes.memory.stream import StreamMemory

OTHER_WEIGHTS = 0.1
"""Relative distance of a prefix's values from which other weights must have written them.

Devices and kernels differ by a percent or two in 16 bits.
"""

_INT64 = 2**63
_NO_MEDIA = -_INT64
_MOST_FRAMES = 2**53
_SHOWN = 80  # characters of a foreign value in a message


@dataclass(frozen=True, slots=True)
class MemoryState:
    """One memory at one moment, on the host.

    `header`: what JSON can hold. `tensors`, with n tokens in each of L layers:
    `keys` and `values` [L, kv_heads, n, head_dim], keys not rotated;
    `positions` [L, axes, n] int32; `frames` [L, n] int64; `patches` [L, n]
    int32; `stamps` [frames held, 3] int64 (number, capture ms, media ms);
    `gaps` [gaps, 2] int64; and `guidance` [prompts, L, video tokens] fp32 if a
    compression is still to make use of it.
    """

    header: dict[str, Any]
    tensors: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a checked state amounts to, ready to take the place of what a memory has."""

    slab: Slab
    table: FrameTable
    guidance: Tensor | None
    prefix_length: int
    frame_tokens: int
    time_step: int
    largest: int
    origin: list[int]


class Capture:
    """A copy of a memory under way, a layer at a step: a device does other work between.

    The memory must not change until the last step: `state` is of one moment.
    """

    def __init__(self, memory: StreamMemory, slab: Slab, more: dict[str, Any]) -> None:
        """`more`: what else goes into the header."""
        length, table, clock = slab.length, memory._table, memory._clock
        self._slab, self._layers, self._copied = slab, memory.shape.layers, 0
        self._tensors = {
            "keys": _like(slab.keys[:, :, :length]),
            "values": _like(slab.values[:, :, :length]),
            "positions": _copy(slab.positions[:, :, :length]),
            "frames": _copy(slab.frames[:, :length]),
            "patches": _copy(slab.patches[:, :length]),
            "stamps": _numbers(table),
            "gaps": torch.tensor(table.gaps(), dtype=torch.int64).reshape(-1, 2),
        }
        if memory._guidance:
            guidance = torch.stack([row.attention for row in memory._guidance])
            self._tensors["guidance"] = _copy(guidance)
        self._header = {
            **_kind(memory.shape, memory.config, memory.policy),
            "prefix_length": memory.prefix_length,
            "length": length,
            "frame_tokens": memory.frame_tokens,
            "time_step": memory._time_step,
            "clock_largest": clock.largest,
            "clock_origin": list(clock.origin),
            "frames_seen": table.seen,
            "first_ms": table.first_ms,
            "last_ms": table.last_ms,
            "lost": list(table.lost or ()),
            **more,
        }

    def step(self) -> bool:
        """Copy the next layer. Whether that was the last one."""
        layer, tensors = self._copied, self._tensors
        for name, cached in (("keys", self._slab.keys), ("values", self._slab.values)):
            copied = tensors[name]
            copied[layer].copy_(cached[layer, :, : copied.shape[2]])
        self._copied += 1
        return self._copied == self._layers

    def add(self, name: str, tensor: Tensor) -> None:
        """Take in one tensor more."""
        self._tensors[name] = _copy(tensor)

    def state(self) -> MemoryState:
        """The whole of it; what no step has copied yet is copied now."""
        while self._copied < self._layers:
            self.step()
        return MemoryState(self._header, self._tensors)


def check(memory: StreamMemory, state: MemoryState, slab: Slab | None) -> Restored:
    """What `state` would make of `memory`, which has `slab`.

    Raises `SnapshotMismatch` if it was taken of another kind of memory, and
    `SnapshotCorrupt` if it cannot have been taken of any.
    """
    shape, config, header = memory.shape, memory.config, Header(state.header)
    for name, ours in _kind(shape, config, memory.policy).items():
        same(name, header.mapping(name), ours)
    most = config.position_limit
    prefix = header.integer("prefix_length", 1, most)
    length = header.integer("length", prefix, prefix + config.budget + config.headroom)
    seen = header.integer("frames_seen", 0, _MOST_FRAMES)
    frame_tokens = header.integer("frame_tokens", 0, config.budget + config.headroom)
    _check_tensors(state.tensors, shape, prefix, length)
    _check_values(state.tensors, config, prefix, seen)
    if slab is not None:
        _check_prefix(state.tensors, slab, memory.prefix_length, prefix)
    ends = [
        header.integer(name, -_INT64, _INT64) if seen else None for name in ("first_ms", "last_ms")
    ]
    frames, patches = (state.tensors[name][:, prefix:] for name in ("frames", "patches"))
    _, whole_from = held_frames(frames, patches, frame_tokens, seen)
    table = FrameTable.restored(
        [
            (number, FrameStamp(capture, None if media == _NO_MEDIA else media))
            for number, capture, media in state.tensors["stamps"].tolist()
        ],
        [(start, end) for start, end in state.tensors["gaps"].tolist()],
        (ends[0], ends[1]),
        seen,
        whole_from,
    )
    if state.header.get("lost"):  # older snapshots do not have it
        start, end = header.integers("lost", 2, -_INT64, _INT64)
        table.lost = (start, end)
    time_step = header.integer("time_step", 0, most)
    largest = header.integer("clock_largest", -1, most)
    origin = header.integers("clock_origin", shape.axes, 0, 2 * most)
    restored = memory._slabs.take(prefix + config.budget + config.headroom)  # nothing fails now
    for name in ("keys", "values", "positions"):
        getattr(restored, name)[:, :, :length] = state.tensors[name].to(shape.device)
    for name in ("frames", "patches"):
        getattr(restored, name)[:, :length] = state.tensors[name].to(shape.device)
    restored.length = length
    guidance = state.tensors.get("guidance")
    return Restored(
        slab=restored,
        table=table,
        guidance=None if guidance is None else guidance.to(shape.device),
        prefix_length=prefix,
        frame_tokens=frame_tokens,
        time_step=time_step,
        largest=largest,
        origin=origin,
    )


def state_limit(shape: CacheShape, config: MemoryConfig, prefix: int) -> int:
    """Bytes of tensors that the state of such a memory can have at most."""
    tokens = prefix + config.budget + config.headroom
    beside = shape.layers * (shape.axes * 4 + 8 + 4 + 2 * 4 + 3 * 8)  # every token of another frame
    return tokens * (shape.bytes_per_token + beside) + MAX_GAPS * 16


class Header:
    """Reads a header that may come from outside; what is not as it must be is `SnapshotCorrupt`."""

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self._values = values
        self._path = path

    def mapping(self, name: str) -> Mapping[str, Any]:
        """An object."""
        found = self._values.get(name)
        if not isinstance(found, dict):
            raise SnapshotCorrupt(f"{self._path}{name} is missing from the snapshot's header")
        return found

    def section(self, name: str) -> Header:
        """An object, as a header of its own."""
        return Header(self.mapping(name), f"{self._path}{name}.")

    def integer(self, name: str, low: int, high: int) -> int:
        """A number within [low, high]."""
        return self._checked(name, self._values.get(name), low, high)

    def integers(self, name: str, count: int, low: int, high: int) -> list[int]:
        """`count` numbers within [low, high]."""
        found = self._values.get(name)
        if not isinstance(found, list) or len(found) != count:
            raise SnapshotCorrupt(
                f"{self._path}{name} in the snapshot's header needs {count} numbers"
            )
        return [self._checked(name, value, low, high) for value in found]

    def flag(self, name: str) -> bool:
        """True or false."""
        found = self._values.get(name)
        if not isinstance(found, bool):
            raise SnapshotCorrupt(f"{self._path}{name} in the snapshot's header is no flag")
        return found

    def _checked(self, name: str, value: object, low: int, high: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise SnapshotCorrupt(
                f"{self._path}{name} in the snapshot's header is {_short(value)}, which cannot be"
            )
        return value


def same(what: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Raises `SnapshotMismatch`, naming the first difference."""
    for name in dict.fromkeys([*ours, *theirs]):
        if theirs.get(name) != ours.get(name):
            raise SnapshotMismatch(
                f"the snapshot was taken with {what}.{name} = {_short(theirs.get(name))};"
                f" here it is {_short(ours.get(name))}"
            )


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same as it comes back from JSON."""
    made: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return made


def _kind(
    shape: CacheShape, config: MemoryConfig, policy: RetentionPolicy
) -> dict[str, dict[str, Any]]:
    """What must be the same on both sides."""
    settings: dict[str, Any] = {"name": policy.name}
    for source in (policy, getattr(policy, "config", None)):
        if is_dataclass(source) and not isinstance(source, type):
            settings |= asdict(source)
    return {
        "shape": {
            "layers": shape.layers,
            "kv_heads": shape.kv_heads,
            "head_dim": shape.head_dim,
            "axes": shape.axes,
            "dtype": str(shape.dtype).removeprefix("torch."),
        },
        "config": plain(asdict(config)),
        "policy": plain(settings),
    }


def _check_tensors(
    tensors: Mapping[str, Tensor], shape: CacheShape, prefix: int, length: int
) -> None:
    layers, cached = shape.layers, (shape.layers, shape.kv_heads, length, shape.head_dim)
    expected: dict[str, tuple[torch.dtype, tuple[int | None, ...]]] = {
        "keys": (shape.dtype, cached),
        "values": (shape.dtype, cached),
        "positions": (torch.int32, (layers, shape.axes, length)),
        "frames": (torch.int64, (layers, length)),
        "patches": (torch.int32, (layers, length)),
        "stamps": (torch.int64, (None, 3)),
        "gaps": (torch.int64, (None, 2)),
    }
    if "guidance" in tensors:
        expected["guidance"] = (torch.float32, (None, layers, length - prefix))
    if tensors.keys() != expected.keys():
        raise SnapshotCorrupt(f"the snapshot's tensors are {_short(sorted(tensors))}")
    for name, (dtype, size) in expected.items():
        found = tensors[name]
        fits = found.ndim == len(size) and all(
            want is None or want == have for want, have in zip(size, found.shape, strict=True)
        )
        if found.dtype != dtype or not fits:
            raise SnapshotCorrupt(
                f"{name} in the snapshot is {list(found.shape)} of {found.dtype}, not as its"
                " header says"
            )
    if len(tensors["gaps"]) > MAX_GAPS:
        raise SnapshotCorrupt(f"the snapshot has more than {MAX_GAPS} gaps")


def _check_values(
    tensors: Mapping[str, Tensor], config: MemoryConfig, prefix: int, seen: int
) -> None:
    positions, frames, patches = tensors["positions"], tensors["frames"], tensors["patches"]
    numbers = tensors["stamps"][:, 0]
    held = frames[:, prefix:].unique()
    if (
        bool(((positions < 0) | (positions >= config.position_limit)).any())
        or bool((frames[:, :prefix] != -1).any())
        or bool((patches < -1).any())
        or not torch.equal(held, numbers)  # both ascending
        or bool(((numbers < 0) | (numbers >= seen)).any())
    ):
        raise SnapshotCorrupt("the snapshot's tokens are of frames or places that cannot be")


def _check_prefix(tensors: Mapping[str, Tensor], slab: Slab, ours: int, theirs: int) -> None:
    """The same model on the same prompt wrote both prefixes, or the snapshot is of another."""
    if ours != theirs:
        raise SnapshotMismatch(
            f"the snapshot's prefix has {theirs} tokens, this model's {ours}: another template"
        )
    for name in ("keys", "values"):
        here = getattr(slab, name)[:, :, :ours].to("cpu", torch.float32)
        there = tensors[name][:, :, :ours].to(torch.float32)
        if not float((here - there).norm()) <= OTHER_WEIGHTS * float(here.norm()):
            raise SnapshotMismatch("the snapshot was taken of a model with other weights")


def _numbers(table: FrameTable) -> Tensor:
    rows = [
        (number, stamp.capture_ms, _NO_MEDIA if stamp.media_ms is None else stamp.media_ms)
        for number, stamp in table.stamps()
    ]
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)


def _like(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype)


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
