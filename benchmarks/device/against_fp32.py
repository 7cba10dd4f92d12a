"""Kernels against plain fp32, on memory that holds NaN wherever nothing was written."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hermes.memory import Branch, CacheShape, Coverage, Rotary, rotate
from hermes.memory.attention import causal_attention
from hermes.memory.reading import NewReader, ReadingPass, columns_of
from hermes.memory.slab import Slab


@dataclass(frozen=True, slots=True)
class Heads:
    """The attention that is checked. `memory`: tokens of the longest memory."""

    heads: int
    kv_heads: int
    dim: int
    axes: int
    memory: int
    dtype: torch.dtype
    device: torch.device

    @property
    def shape(self) -> CacheShape:
        """Of two layers: more would check nothing else."""
        return CacheShape(2, self.kv_heads, self.dim, self.axes, self.dtype, self.device)

    @property
    def rotary(self) -> Rotary:
        """One whose channels turn by all axes."""
        half = self.dim // 2
        frequencies = 10_000.0 ** (-torch.arange(half) / half)
        axis = torch.arange(half) % self.axes
        return Rotary(
            torch.cat((frequencies, frequencies)).to(self.device),
            torch.cat((axis, axis)).to(self.device),
        )

    @property
    def scale(self) -> float:
        """As models have it."""
        return 1 / math.sqrt(self.dim)

    def random(self, heads: int, tokens: int) -> Tensor:
        """[heads, tokens, dim]."""
        return torch.randn((heads, tokens, self.dim), device=self.device).to(self.dtype)


@contextmanager
def poisoned() -> Iterator[None]:
    """New tensors that are not filled hold NaN meanwhile, or the largest integer."""
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of operations that are not deterministic
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before, warn_only=warned)


def slab_of(heads: Heads, length: int) -> Slab:
    """A slab with so many random tokens, and NaN after them."""
    slab = Slab(heads.shape, heads.memory)
    for part in (slab.keys, slab.values):
        part.fill_(math.nan)
        part[:, :, :length] = torch.randn_like(part[:, :, :length], dtype=torch.float32)
    slab.positions[:, :, :length] = torch.arange(length, device=heads.device)
    slab.length = length
    return slab


def reading_error(heads: Heads, new_reader: NewReader, tokens: int, seen: int) -> float:
    """How far the kernels for recorded passes are from fp32: a question of `tokens` about a
    memory of `seen`.
    """
    size = 1 << (tokens - 1).bit_length()
    rotary, slab = heads.rotary, slab_of(heads, seen)
    query = heads.random(heads.heads, size)
    key, value = heads.random(heads.kv_heads, size), heads.random(heads.kv_heads, size)
    with poisoned(), Branch(slab, rotary, seen + 2, tokens + 3, Coverage()) as branch:
        reach = heads.memory + tokens + 3
        reading = ReadingPass(size, rotary, heads.axes, reach, new_reader, heads.device)
        reading.table.copy_(columns_of([branch.row(tokens)], size))
        reading.begin()
        found = reading.attend(1, query[None], key[None], value[None], heads.scale)[0, :tokens]
        tables = rotary.tables(branch.positions(tokens))
    past = rotary.tables(slab.positions[1, :, :seen])
    rotated = rotate(slab.keys[1, :, :seen].to(torch.float32), past)
    keys = torch.cat((rotated, rotate(key[:, :tokens].to(torch.float32), tables)), dim=1)
    values = torch.cat((slab.values[1, :, :seen], value[:, :tokens]), dim=1)
    asked = rotate(query[:, :tokens].to(torch.float32), tables)
    return error(found.transpose(0, 1), _attention(asked, keys, values, heads.scale))


def rotation_error(heads: Heads, length: int) -> float:
    """How far rotated keys of a whole memory are from fp32."""
    slab, rotary = slab_of(heads, length), heads.rotary
    with poisoned():
        found = slab.all_rotated_keys(length, rotary)[:, :, :length]
    tables = rotary.tables(slab.positions[0, :, :length])
    half = heads.dim // 2
    wide = slab.keys[:, :, :length].to(torch.float32)
    swapped = torch.cat((-wide[..., half:], wide[..., :half]), dim=-1)
    return error(found, wide * tables[0] + swapped * tables[1])


def causal_error(heads: Heads, tokens: int, seen: int) -> float:
    """How far attention of new frames is from fp32: the last `tokens` of `seen`."""
    query = heads.random(heads.heads, tokens)
    key, value = heads.random(heads.kv_heads, seen), heads.random(heads.kv_heads, seen)
    with poisoned():
        found = causal_attention(query, key, value, heads.scale)
    return error(found, _attention(query, key, value, heads.scale))


def _attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Causal attention in fp32, the queries being the last of the keys: [heads, tokens, dim]."""
    groups = len(query) // len(key)
    query, key, value = (part.to(torch.float32) for part in (query, key, value))
    tokens, seen = query.shape[1], key.shape[1]
    mask = torch.ones((tokens, seen), dtype=torch.bool, device=query.device).tril(seen - tokens)
    return functional.scaled_dot_product_attention(
        query,
        key.repeat_interleave(groups, 0),
        value.repeat_interleave(groups, 0),
        attn_mask=mask,
        scale=scale,
    )


def error(found: Tensor, expected: Tensor) -> float:
    """The relative distance; infinite where something is not finite."""
    distance = float((found.to(torch.float32) - expected).norm() / expected.norm())
    return distance if math.isfinite(distance) else math.inf
