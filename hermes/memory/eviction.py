"""Eviction: the tokens that a policy keeps are gathered, some of the others are averaged."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory.held import Held
from hermes.memory.policies import Candidates, RetentionPolicy
from hermes.memory.present import newest_of_places, until, whole_from
from hermes.memory.slab import Slab, SlabPool
from hermes.memory.summary import SUMMARY_PATCH, Merge


def evict(
    held: Held,
    policy: RetentionPolicy,
    budget: int,
    slabs: SlabPool,
    *,
    keep_present: bool = False,
) -> tuple[Slab, Tensor]:
    """Keep `budget` video tokens of each layer, as `policy` chooses.

    Returns the slab that has them: `held`'s own, or one of `slabs` where
    `held`'s is being read; and the first frame from which on no picture lost
    anything by this, a scalar on the device. Fails before anything has changed.
    """
    slab, prefix = held.slab, held.prefix_length
    frames, patches = slab.frames[:, held.video], slab.patches[:, held.video]
    candidates = Candidates(
        frames,
        patches,
        held.table.seen,
        _attention(held, policy),
        slab.values[:, :, held.video],
        newest_of_places(patches, held.first_patch) if keep_present else None,
        held.texts,
    )
    selection = policy.select(candidates, budget)
    kept = _kept(selection.keep, candidates.count, selection.merges)
    whole = whole_from(frames, patches, kept, held.table.seen, held.resized_at)
    if keep_present:
        known = slab.until[:, held.video]
        slab.until[:, held.video] = until(frames, patches, known, held.changes)
    # Means are taken before anything moves.
    means = {layer: _mean(held, layer, merge) for layer, merge in selection.merges.items()}
    keep = torch.cat((every_index(slab, prefix), selection.keep + prefix), 1)
    target = slab if slab.readers == 0 else slabs.take(slab.capacity)
    slab.keep(keep, into=target)
    newest = None
    for layer, merge in selection.merges.items():
        at = prefix + merge.slot
        target.keys[layer, :, at], target.values[layer, :, at] = means[layer]
        target.patches[layer, at] = SUMMARY_PATCH
        if merge.position == "newest":
            newest = held.clock.took_tick() if newest is None else newest
            target.positions[layer, :, at] = newest
    return target, whole


def _kept(keep: Tensor, count: int, merges: Mapping[int, Merge]) -> Tensor:
    """[layers, count] bool: the tokens that stay. One whose slot a summary takes does not."""
    kept = torch.zeros((len(keep), count), dtype=torch.bool, device=keep.device)
    kept.scatter_(1, keep, True)
    for layer, merge in merges.items():
        kept[layer].index_fill_(0, keep[layer, merge.slot], False)
    return kept


def every_index(slab: Slab, count: int) -> Tensor:
    """[layers, count]: the first `count` indices, in every layer."""
    return torch.arange(count, device=slab.shape.device).expand(slab.shape.layers, count)


def _attention(held: Held, policy: RetentionPolicy) -> Tensor | None:
    if not policy.guided:
        return None
    if not held.guidance:
        raise InvalidInput("attention", f"{policy.name} needs guidance before it evicts")
    return torch.stack(held.guidance)


def _mean(held: Held, layer: int, merge: Merge) -> tuple[Tensor, Tensor]:
    slab, members = held.slab, merge.members + held.prefix_length
    keys = slab.keys[layer].index_select(1, members).to(torch.float32).mean(dim=1)
    values = slab.values[layer].index_select(1, members).to(torch.float32).mean(dim=1)
    return keys.to(slab.shape.dtype), values.to(slab.shape.dtype)
