"""From a state, which may come from outside, to what a memory holds.

Every number and every size is checked before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from hermes.errors import SnapshotCorrupt, SnapshotMismatch, SnapshotVersion
from hermes.memory.coverage import MAX_GAPS, FrameStamp, FrameTable
from hermes.memory.header import Header, same, shown
from hermes.memory.held import Held
from hermes.memory.limits import MemoryConfig
from hermes.memory.policies import RetentionPolicy
from hermes.memory.positions import Clock
from hermes.memory.shape import CacheShape
from hermes.memory.slab import STANDS, Slab, SlabPool
from hermes.memory.state import NO_MEDIA, STORED, MemoryState, kind_of
from hermes.memory.stored import EIGHT_BITS, narrowed, widened

KNOWN = {"keys", "values", "positions", "frames", "patches"}
KNOWN |= {"stamps", "gaps", "guidance", "until", "beside"}
"""The names of a state's tensors in this version."""

OTHER_WEIGHTS = 0.1
"""The relative distance from which two prefixes were written by different weights.

Devices and kernels differ by a percent or two in 16 bits.
"""

_NOTHING = torch.zeros((0, 3), dtype=torch.int64)

_INT64 = 2**63
_MOST_FRAMES = 2**53
_MOST_SIDES = 2


def restored(
    state: MemoryState,
    config: MemoryConfig,
    policy: RetentionPolicy,
    slabs: SlabPool,
    present: Held | None,
) -> Held:
    """What a memory of this kind holds once it is what `state` was taken of.

    `present`: what it holds now, if it has its prefix. Raises `SnapshotMismatch`
    if the state was taken of another kind of memory, `SnapshotVersion` if a later
    version wrote it, and `SnapshotCorrupt` if it cannot have been taken of any.
    """
    shape, header, tensors = slabs.shape, Header(state.header), state.tensors
    for name, ours in kind_of(replace(shape, stored=None), config, policy).items():
        theirs = {key: of for key, of in header.mapping(name).items() if key != STORED}
        same(name, theirs, ours)
    stored = _stored_as(header.mapping("shape").get(STORED))
    most = config.position_limit
    prefix = header.integer("prefix_length", 1, most)
    length = header.integer("length", prefix, prefix + config.budget + config.headroom)
    frame_tokens = header.integer("frame_tokens", 0, config.budget + config.headroom)
    seen = header.integer("frames_seen", 0, _MOST_FRAMES)
    _check_tensors(tensors, replace(shape, stored=stored), prefix, length)
    _check_values(tensors, config, prefix, seen)
    if present is not None:
        _check_prefix(tensors, present, prefix)
    table = _table(header, tensors, seen)
    time_step = header.integer("time_step", 0, most)
    sides = header.numbers("sides", _MOST_SIDES, 0, config.budget + config.headroom)
    changes = header.integer("changes", 0, _MOST_FRAMES)
    resized_at = header.integer("resized_at", 0, seen)
    texts, together = header.flag("texts"), header.flag("clock_together")
    largest = header.integer("clock_largest", -1, most)
    origin = header.integers("clock_origin", shape.axes, 0, 2 * most)
    # Nothing is refused from here on.
    slab = slabs.take(prefix + config.budget + config.headroom)
    _fill(slab, tensors, length)
    guidance = tensors.get("guidance")
    return Held(
        slab=slab,
        clock=Clock(shape.axes, largest, origin, together=together),
        table=table,
        prefix_length=prefix,
        frame_tokens=frame_tokens,
        time_step=time_step,
        sides=tuple(sides),
        changes=changes,
        resized_at=resized_at,
        texts=texts,
        guidance=() if guidance is None else tuple(guidance.to(shape.device)),
    )


def _table(header: Header, tensors: Mapping[str, Tensor], seen: int) -> FrameTable:
    first_ms, last_ms = (
        header.integer(name, -_INT64, _INT64) if seen else None for name in ("first_ms", "last_ms")
    )
    lost = None
    if header.has("lost"):  # older snapshots do not say
        start, end = header.integers("lost", 2, -_INT64, _INT64)
        lost = (start, end)
    rows = tensors["stamps"].tolist()
    taken = {number: tokens for number, _, _, tokens in rows}
    gaps = [(start, end) for start, end in tensors["gaps"].tolist()]
    reasons = header.words("gap_reasons", len(gaps)) if header.has("gap_reasons") else []
    return FrameTable(
        [
            (number, FrameStamp(capture, None if media == NO_MEDIA else media))
            for number, capture, media, _ in rows
        ],
        gaps,
        first_ms=first_ms,
        last_ms=last_ms,
        seen=seen,
        whole_from=header.integer("whole_from", 0, seen),
        taken=taken,
        lost=lost,
        gap_reasons=dict(zip(gaps, reasons, strict=False)),
        beside=[
            (number, FrameStamp(capture, None if media == NO_MEDIA else media))
            for number, capture, media in tensors.get("beside", _NOTHING).tolist()
        ],
    )


def _stored_as(name: object) -> torch.dtype | None:
    """The type that a header names for keys and values; None if it is the model's."""
    if name is None:
        return None
    if name == str(EIGHT_BITS).removeprefix("torch."):
        return EIGHT_BITS
    raise SnapshotVersion(
        f"the snapshot's keys and values are stored as {shown(name)}, which this build cannot read"
    )


def _fill(slab: Slab, tensors: Mapping[str, Tensor], length: int) -> None:
    for layer in range(slab.shape.layers):
        one = slice(layer, layer + 1)
        for name, cached in (("keys", slab.keys), ("values", slab.values)):
            found = tensors[name][one].to(slab.shape.device)
            if found.dtype != cached.dtype:
                bias = slab.shape.key_bias if name == "keys" else None
                found = _converted(found, None if bias is None else bias[one].unsqueeze(2))
            cached[one, :, :length] = found
    slab.positions[:, :, :length] = tensors["positions"].to(slab.shape.device)
    for name in ("frames", "patches"):
        getattr(slab, name)[:, :length] = tensors[name].to(slab.shape.device)
    ends = tensors.get("until")  # older snapshots do not say
    slab.until[:, :length] = STANDS if ends is None else ends.to(slab.shape.device)
    slab.length = length


def _converted(x: Tensor, bias: Tensor | None) -> Tensor:
    """Keys or values of the model's type in 8 bits, or the other way round."""
    return widened(x, bias) if x.dtype == EIGHT_BITS else narrowed(x, bias)


def _check_tensors(
    tensors: Mapping[str, Tensor], shape: CacheShape, prefix: int, length: int
) -> None:
    layers, cached = shape.layers, (shape.layers, shape.kv_heads, length, shape.head_dim)
    expected: dict[str, tuple[torch.dtype, tuple[int | None, ...]]] = {
        "keys": (shape.stored_dtype, cached),
        "values": (shape.stored_dtype, cached),
        "positions": (torch.int32, (layers, shape.axes, length)),
        "frames": (torch.int64, (layers, length)),
        "patches": (torch.int32, (layers, length)),
        "stamps": (torch.int64, (None, 4)),
        "gaps": (torch.int64, (None, 2)),
    }
    if "guidance" in tensors:
        expected["guidance"] = (torch.float32, (None, layers, length - prefix))
    if "until" in tensors:
        expected["until"] = (torch.int64, (layers, length))
        expected["beside"] = (torch.int64, (None, 3))
    if later := tensors.keys() - KNOWN:
        raise SnapshotVersion(
            f"a later version wrote the snapshot: this build does not know {shown(sorted(later))}"
        )
    if tensors.keys() != expected.keys():
        raise SnapshotCorrupt(f"the snapshot's tensors are {shown(sorted(tensors))}")
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
    numbers, taken = tensors["stamps"][:, 0], tensors["stamps"][:, 3]
    held = frames[:, prefix:].unique()
    if (
        bool(((positions < 0) | (positions >= config.position_limit)).any())
        or bool((frames[:, :prefix] != -1).any())
        or bool((patches < -1).any())
        or not torch.equal(held, numbers)  # both ascending
        or bool(((numbers < 0) | (numbers >= seen)).any())
        or bool(((taken < 0) | (taken > config.budget + config.headroom)).any())
    ):
        raise SnapshotCorrupt("the snapshot's tokens are of frames or positions that cannot be")
    if "until" in tensors:
        _check_ends(tensors["until"], frames, tensors["beside"][:, 0], numbers, seen)


def _check_ends(until: Tensor, frames: Tensor, beside: Tensor, held: Tensor, seen: int) -> None:
    """Raises `SnapshotCorrupt` unless tokens stood until later frames, whose stamps are known."""
    ends = until[until != STANDS].unique()
    if (
        bool((until <= frames).any())
        or bool(((beside < 0) | (beside >= seen)).any())
        or bool((beside.diff() <= 0).any())
        or bool(torch.isin(beside, held).any())
        or not bool(torch.isin(ends, torch.cat((beside, held))).all())
    ):
        raise SnapshotCorrupt("the snapshot's tokens were replaced by frames that cannot be")


def _check_prefix(tensors: Mapping[str, Tensor], present: Held, theirs: int) -> None:
    """Raises `SnapshotMismatch` unless the same model wrote both prefixes of the same prompt."""
    ours = present.prefix_length
    if ours != theirs:
        raise SnapshotMismatch(
            f"the snapshot's prefix has {theirs} tokens, this model's {ours}: another template"
        )
    bias = present.slab.shape.key_bias
    for name in ("keys", "values"):
        added = None if bias is None or name == "values" else bias.cpu().unsqueeze(2)
        here, there = (
            widened(of, added if of.dtype == EIGHT_BITS else None)
            for of in (getattr(present.slab, name)[:, :, :ours].cpu(), tensors[name][:, :, :ours])
        )
        if not float((here - there).norm()) <= OTHER_WEIGHTS * float(here.norm()):
            raise SnapshotMismatch("the snapshot was taken of a model with other weights")
