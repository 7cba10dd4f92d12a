"""Eviction: the tokens that a policy keeps are gathered, some of the others are averaged."""

from __future__ import annotations

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory.held import Held
from hermes.memory.policies import Candidates, RetentionPolicy
from hermes.memory.present import newest_of_places, until, whole_from
from hermes.memory.slab import Slab, SlabPool, rows_of
from hermes.memory.stored import movable, narrowed
from hermes.memory.summary import SUMMARY_PATCH, Summaries


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
    summaries = selection.summaries
    kept = _kept(selection.keep, candidates.count, summaries)
    whole = whole_from(frames, patches, kept, held.table.seen, held.resized_at)
    if keep_present:
        known = slab.until[:, held.video]
        slab.until[:, held.video] = until(frames, patches, known, held.changes)
    # Means are taken before anything moves.
    means = None if summaries is None else _means(held, summaries)
    keep = torch.cat((every_index(slab, prefix), selection.keep + prefix), 1)
    target = slab if slab.readers == 0 else slabs.take(slab.capacity)
    slab.keep(keep, into=target)
    if summaries is not None and means is not None:
        _place(target, prefix, summaries, means)
        if summaries.position == "newest":
            at = (summaries.slots + prefix)[:, None, None]
            positions = target.positions[summaries.layers]
            at = at.expand(-1, positions.shape[1], 1)
            positions.scatter_(2, at, held.clock.took_tick())
    return target, whole


def _kept(keep: Tensor, count: int, summaries: Summaries | None) -> Tensor:
    """[layers, count] bool: the tokens that stay. One whose slot a summary takes does not."""
    kept = torch.zeros((len(keep), count), dtype=torch.bool, device=keep.device)
    kept.scatter_(1, keep, True)
    if summaries is not None:
        replaced = keep[summaries.layers].gather(1, summaries.slots[:, None])
        kept[summaries.layers].scatter_(1, replaced, False)
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


def _means(held: Held, summaries: Summaries) -> tuple[Tensor, Tensor]:
    """Mean key and value of each summary's members: [k, kv_heads, head_dim] each.

    Layers of equally many members are averaged at once: nearly always all of them. A
    padded sum would round differently. The means have the type in which they are stored, and
    keys stay without the bias that was taken off.
    """
    if 0 in summaries.counts:
        raise InvalidInput("budget", "leaves nothing to summarise: raise it, or evict more at once")
    counts = dict.fromkeys(summaries.counts)
    if len(counts) == 1:
        groups = [slice(0, len(summaries.counts))]
    else:
        groups = [slice(layer, layer + 1) for layer in range(len(summaries.counts))]
    means = []
    for group in groups:
        members = summaries.members[group, : summaries.counts[group.start]] + held.prefix_length
        means.append(
            tuple(
                rows_of(cached[summaries.layers][group], members).to(torch.float32).mean(dim=2)
                for cached in (held.slab.keys, held.slab.values)
            )
        )
    narrow, dtype = held.slab.shape.stored is not None, held.slab.shape.dtype
    keys, values = (
        narrowed(mean) if narrow else mean.to(dtype)
        for mean in (torch.cat(parts) for parts in zip(*means, strict=True))
    )
    return keys, values


def _place(target: Slab, prefix: int, summaries: Summaries, means: tuple[Tensor, Tensor]) -> None:
    """Write the summaries into their slots."""
    at = (summaries.slots + prefix)[:, None]
    for cached, mean in zip((target.keys, target.values), means, strict=True):
        own = movable(cached[summaries.layers])
        places = at[:, None, :, None].expand(-1, own.shape[1], -1, own.shape[3])
        own.scatter_(2, places, movable(mean).unsqueeze(2))
    target.patches[summaries.layers].scatter_(1, at, SUMMARY_PATCH)
