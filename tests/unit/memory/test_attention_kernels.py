"""Kernels read what a token sees and nothing else: all around lie numbers that are not finite."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.memory import HeadNorms
from hermes.memory.branch import Place, RowLayout
from hermes.memory.reading import columns_of
from hermes.memory.tiles import Tiles

kernels = pytest.importorskip("hermes.memory.kernels")
DEVICE = torch.device("cpu" if "TRITON_INTERPRET" in os.environ else "cuda")

LAYERS, KV_HEADS, DIM, CAPACITY, ROOM = 2, 2, 16, 150, 40
LAYER = 1
SCALE = DIM**-0.5
POISON = float("nan")


@dataclass
class Row:
    """Some tokens of a row in one pass, after `length` earlier ones of its own."""

    seen: int
    tokens: int
    length: int = 0
    forks: tuple[int, ...] = ()
    """Tokens of the texts that the row ends with, of which none sees another."""
    counts: tuple[int, ...] | None = None
    dtype: torch.dtype = torch.float32
    cache: list[Tensor] = field(default_factory=list)

    def fill(self, generator: torch.Generator) -> None:
        """Memory and own tokens are random where there are any, and poisoned elsewhere."""
        for room, used in ((CAPACITY, self.seen), (ROOM, self.length)):
            for _ in range(2):
                made = torch.full((LAYERS, KV_HEADS, room, DIM), POISON)
                made[:, :, :used] = torch.randn((LAYERS, KV_HEADS, used, DIM), generator=generator)
                self.cache.append(made.to(DEVICE, self.dtype))
        if self.counts is not None:
            for layer, count in enumerate(self.counts):
                for cache in self.cache[:2]:
                    cache[layer, :, count:] = POISON
        self.counted = None if self.counts is None else torch.tensor(self.counts).int().to(DEVICE)

    def layout(self) -> RowLayout:
        keys, values, own_keys, own_values = self.cache
        return RowLayout(keys, values, self.seen, own_keys, own_values, self.counted)

    def places(self) -> list[Place]:
        found, shared = [], self.tokens - sum(self.forks)
        for n in range(shared):
            found.append(Place(self.length + n, n))
        fork, skip = self.length + shared, 0
        for tokens in self.forks:
            found += [Place(fork + skip + n, shared + n, fork, skip) for n in range(tokens)]
            skip += tokens
        return found

    @property
    def reads(self) -> int:
        return self.seen if self.counts is None else self.counts[LAYER]

    def expected(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """[tokens, heads, DIM], in fp32, by the softmax of each token alone."""
        keys, values, own_keys, own_values = (part[LAYER].float() for part in self.cache)
        outs = []
        for n, place in enumerate(self.places()):
            sees = [s for s in range(place.slot + 1) if not 0 <= s - place.fork < place.skip]
            new = {other.slot: at for at, other in enumerate(self.places())}
            near_keys = [key[:, new[s]] if s in new else own_keys[:, s] for s in sees]
            near_values = [value[:, new[s]] if s in new else own_values[:, s] for s in sees]
            k = torch.cat((keys[:, : self.reads], torch.stack(near_keys, 1)), 1)
            v = torch.cat((values[:, : self.reads], torch.stack(near_values, 1)), 1)
            groups = len(query) // KV_HEADS
            k, v = k.repeat_interleave(groups, 0), v.repeat_interleave(groups, 0)
            scores = torch.einsum("hd,hnd->hn", query[:, n], k) * SCALE
            outs.append(torch.einsum("hn,hnd->hd", scores.softmax(-1), v))
        return torch.stack(outs)


def turned(x: Tensor, turns: Tensor) -> Tensor:
    """Rotated in fp32."""
    x, half = x.float(), DIM // 2
    swapped = torch.cat((-x[..., half:], x[..., :half]), -1)
    return x * turns[:, 0] + swapped * turns[:, 1]


RAGGED = {
    "an answer in line with a question": [Row(70, 1, length=5), Row(131, 9), Row(9, 1, length=3)],
    "a question that forks": [Row(65, 10, length=2, forks=(2, 4, 1)), Row(3, 1, length=1)],
    "questions about spans": [Row(140, 7, counts=(140, 3)), Row(90, 4, counts=(0, 64))],
    "a memory of nothing": [Row(0, 4), Row(64, 7, length=20)],
}


def run(
    rows: Sequence[Row],
    most: int,
    groups: int,
    tiles: Tiles | None,
    splits: int,
    norms: HeadNorms | None = None,
) -> None:
    generator = torch.Generator().manual_seed(groups)
    dtype = rows[0].dtype
    used = sum(row.tokens for row in rows)
    for row in rows:
        row.cache.clear()
        row.fill(generator)
    angles = torch.rand((used, DIM // 2), generator=generator).repeat(1, 2) * 9
    turns = torch.full((most, 2, DIM), POISON)
    turns[:used] = torch.stack((angles.cos(), angles.sin()), 1)
    heads = groups * KV_HEADS
    query, key, value = (torch.full((most, n, DIM), POISON) for n in (heads, KV_HEADS, KV_HEADS))
    for part in (query, key, value):
        part[:used] = torch.randn(part[:used].shape, generator=generator).to(dtype).float()
    inputs = [part.to(DEVICE, dtype).transpose(0, 1) for part in (query, key, value)]
    columns: Any = columns_of(rows, most)  # type: ignore[arg-type]
    reader = kernels.Reader(most, heads, KV_HEADS, DIM, 10_000, inputs[0], splits, tiles)
    expected, first = [], 0
    q, k, v = (part[:used].transpose(0, 1) for part in (query, key, value))
    if norms is not None:
        q, k = (part[0] for part in norms.of(q[None], k[None]))
    q, k = turned(q, turns[:used]), turned(k, turns[:used])
    for row in rows:
        some = slice(first, first := first + row.tokens)
        expected.append(row.expected(q[:, some], k[:, some], v[:, some]))
    if norms is not None:
        own = norms.query.to(DEVICE, dtype), norms.key.to(DEVICE, dtype)
        norms = HeadNorms(own[0], own[1], norms.epsilon)
    found = reader.attend(columns.to(DEVICE), turns.to(DEVICE), LAYER, *inputs, SCALE, norms).cpu()
    tolerance = 2e-5 if dtype is torch.float32 else 4e-3
    torch.testing.assert_close(
        found[:used].float(), torch.cat(expected), atol=tolerance, rtol=tolerance
    )
    assert torch.equal(found[used:], torch.zeros_like(found[used:]))


def test_heads_are_normalised_as_they_are_written() -> None:
    """Each by itself: the query heads that share a key head are of different size."""
    query, key = (1 + torch.arange(DIM) / at for at in (7, -50))
    rows = [Row(70, 1, length=5), Row(9, 3)]
    run(rows, 6, groups=3, tiles=None, splits=2, norms=HeadNorms(query, key, 0.25))


@pytest.mark.parametrize("name", RAGGED)
def test_each_token_sees_its_own(name: str) -> None:
    rows = RAGGED[name]
    run(rows, 12, groups=3, tiles=None, splits=2)


@pytest.mark.parametrize(
    "capability", [80, *(pytest.param(n, marks=pytest.mark.slow) for n in (90, 100))]
)
def test_tiles_of_every_gpu_give_the_same(capability: int) -> None:
    """Query heads of seven to a key head: one row of the product in eight is empty."""
    tiles = Tiles.of(capability, 12, 7)
    run(RAGGED["a question that forks"], 12, groups=7, tiles=tiles, splits=2)


@pytest.mark.parametrize("splits", [1, 7])
def test_in_one_part_or_in_more_than_there_are_keys(splits: int) -> None:
    run([Row(70, 2, length=3)], 2, groups=4, tiles=None, splits=splits)


def test_in_16_bits() -> None:
    rows = [Row(70, 3, length=5, dtype=torch.float16), Row(13, 4, dtype=torch.float16)]
    run(rows, 8, groups=4, tiles=None, splits=2)


def test_what_is_not_aligned_is_refused() -> None:
    """The kernels load vectors of 16 bytes, which elsewhere would be a fault of the device."""
    row = Row(5, 1)
    row.fill(torch.Generator())
    odd = torch.zeros(1 + LAYERS * KV_HEADS * ROOM * DIM)[1:].view(row.cache[2].shape)
    row.cache[2] = odd
    with pytest.raises(RuntimeError, match="aligned"):
        columns_of([row], 1)  # type: ignore[list-item]
