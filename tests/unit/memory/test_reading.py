"""A pass of fixed shape gives what a packed pass gives. Kernels run in Triton's interpreter."""

from __future__ import annotations

import os
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hermes.memory import (
    CacheShape,
    FrameStamp,
    MemoryConfig,
    PackedPass,
    Rotary,
    SlidingWindow,
    StreamMemory,
)
from hermes.memory.append import AppendRow
from hermes.memory.branch import Branch, BranchRow
from hermes.memory.frame_layout import FrameLayout
from hermes.memory.reading import ReadingPass, columns_of
from hermes.memory.stored import EIGHT_BITS
from hermes.question import Span
from tests.support.slow import slow

kernels = pytest.importorskip("hermes.memory.kernels")
DEVICE = torch.device("cpu" if "TRITON_INTERPRET" in os.environ else "cuda")

HEADS, KV_HEADS, DIM, LAYERS = 6, 2, 16, 3
SCALE = DIM**-0.5


BIAS = torch.linspace(-5, 5, LAYERS * KV_HEADS * DIM, device=DEVICE).view(LAYERS, KV_HEADS, DIM)
"""Of keys, where they are stored in 8 bits."""


def shape(axes: int, dtype: torch.dtype, stored: torch.dtype | None = None) -> CacheShape:
    sizes = LAYERS, KV_HEADS, DIM, axes, dtype, DEVICE
    return CacheShape(*sizes, stored=stored, key_bias=None if stored is None else BIAS)


def rotary(axes: int) -> Rotary:
    frequencies = 10_000.0 ** (-torch.arange(DIM // 2) / (DIM // 2))
    axis = torch.arange(DIM // 2) % axes
    return Rotary(
        torch.cat((frequencies, frequencies)).to(DEVICE), torch.cat((axis, axis)).to(DEVICE)
    )


def memory(
    tokens: int,
    axes: int,
    dtype: torch.dtype,
    generator: torch.Generator,
    stored: torch.dtype | None = None,
) -> StreamMemory:
    """A memory of random keys and values, `tokens` of video after a prefix of three."""
    config = MemoryConfig(budget=300, headroom=10, position_limit=4096)
    made = StreamMemory(shape(axes, dtype, stored), rotary(axes), config, SlidingWindow())
    layout = FrameLayout.sequential(1, DEVICE) if axes == 1 else FrameLayout.grid(1, 1, 1, DEVICE)
    stamps = [FrameStamp(1000 * number) for number in range(tokens)]

    def take(row: AppendRow) -> None:
        for layer in range(LAYERS):
            query, key, value = random(row.tokens, dtype, generator)
            if stored is not None:
                key = key + BIAS[layer].unsqueeze(1).to(dtype)
            row.attend(layer, query, key, value, SCALE)
        made.commit(row)

    take(made.begin_prefix(3))
    take(made.begin_frames(stamps, layout))
    return made


Inputs = tuple[Tensor, Tensor, Tensor]


def random(tokens: int, dtype: torch.dtype, generator: torch.Generator) -> Inputs:
    query, key, value = (
        torch.randn((heads, tokens, DIM), generator=generator).to(DEVICE, dtype)
        for heads in (HEADS, KV_HEADS, KV_HEADS)
    )
    return query, key, value


@pytest.mark.parametrize(
    ("axes", "dtype", "stored"),
    slow(
        [
            (1, torch.float16, None),
            (3, torch.float32, None),
            (1, torch.float16, EIGHT_BITS),
            (3, torch.float32, EIGHT_BITS),
        ],
        (1, torch.float16, None),
        (1, torch.float16, EIGHT_BITS),
        (3, torch.float32, EIGHT_BITS),
    ),
)
def test_questions_and_answers_read_their_own_memories(
    axes: int, dtype: torch.dtype, stored: torch.dtype | None
) -> None:
    """Two answers and a question about three memories of different length, then a token each."""
    generator = torch.Generator().manual_seed(1)
    memories = [memory(tokens, axes, dtype, generator, stored) for tokens in (5, 290, 60)]
    for part in (
        part for made in memories for part in (made.held.slab.keys, made.held.slab.values)
    ):
        part.view(torch.uint8)[:, :, 290 + 3 :] = 0xFF  # no numbers, in any type
    rooms = (4, 5, 9)
    plain, fixed = (
        [made.branch(room) for made, room in zip(memories, rooms, strict=True)] for _ in range(2)
    )
    for sizes, most in (((1, 2, 4), 8), ((1, 1, 1), 4)):
        inputs = [random(sum(sizes), dtype, generator) for _ in range(LAYERS)]
        expected = packed(plain, sizes, inputs)
        found = read(fixed, sizes, most, axes, inputs)
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)
    for ours, other in zip(fixed, plain, strict=True):
        written = slice(0, other.length)
        assert ours.length == other.length
        for name in ("keys", "values"):
            own, its = (getattr(branch, name)[:, :, written] for branch in (ours, other))
            torch.testing.assert_close(own, its, atol=2e-3, rtol=1e-3)


def test_values_in_8_bits_are_read_in_place() -> None:
    """Of a memory and of an excerpt of it, among numbers that are none."""
    generator = torch.Generator().manual_seed(4)
    made = memory(70, 1, torch.float16, generator, EIGHT_BITS)
    for part in (made.held.slab.keys, made.held.slab.values):
        part.view(torch.uint8)[:, :, made.length :] = 0xFF
    for span in (None, Span(5_000, 9_000)):
        inputs = [random(2, torch.float16, generator) for _ in range(LAYERS)]
        expected = packed([made.branch(4, span=span)], (2,), inputs)
        found = read([made.branch(4, span=span)], (2,), 2, 1, inputs)
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)


@pytest.mark.slow
def test_a_question_about_a_span_reads_another_number_of_tokens_in_each_layer() -> None:
    """Beside plain questions; one layer of the span may hold nothing but the prefix."""
    generator = torch.Generator().manual_seed(3)
    memories = [memory(tokens, 1, torch.float32, generator) for tokens in (70, 290, 5)]
    counts = []
    for made in memories:  # thin out: each layer loses other frames
        slab = made.held.slab
        for layer in range(LAYERS):
            slab.frames[layer, 3 + 2 * layer : slab.length : 2 + layer] = 9_999
        slab.frames[2, 3 : slab.length] = 9_999
    spans = (Span(0, 60_000), Span(100_000, 250_000), None)
    plain, fixed = (
        [made.branch(9, span=span) for made, span in zip(memories, spans, strict=True)]
        for _ in range(2)
    )
    for branch in fixed[:2]:
        assert branch.slab.counts is not None
        counts.append(branch.slab.counts.tolist())
        assert len(set(counts[-1])) == LAYERS
        assert counts[-1][2] == 3
    for sizes, most in (((2, 5, 1), 8), ((1, 1, 1), 4)):
        inputs = [random(sum(sizes), torch.float32, generator) for _ in range(LAYERS)]
        expected = packed(plain, sizes, inputs)
        found = read(fixed, sizes, most, 1, inputs)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_loud_queries_and_keys_stay_in_range() -> None:
    """The products of these vectors exceed what fp16 holds; scaled first, they do not."""
    generator = torch.Generator().manual_seed(2)
    made = memory(5, 1, torch.float16, generator)
    inputs = []
    for _ in range(LAYERS):
        query, key, value = random(2, torch.float16, generator)
        inputs.append((torch.full_like(query, 80.0), torch.full_like(key, 80.0), value))
    assert torch.finfo(torch.float16).max < 80.0 * 80.0 * DIM
    most = max(float(value.abs().max()) for *_, value in inputs)
    held = float(made.held.slab.values.abs().max())
    found = read([made.branch(4)], (2,), 2, 1, inputs)
    expected = packed([made.branch(4)], (2,), inputs)
    for outs in (found, expected):
        assert torch.isfinite(outs).all()
        assert float(outs.abs().max()) <= max(most, held) * 1.01


def packed(branches: list[Branch], sizes: tuple[int, ...], inputs: list[Inputs]) -> Tensor:
    rows = [branch.row(size) for branch, size in zip(branches, sizes, strict=True)]
    run = PackedPass(rows)
    outs = [
        run.attend(layer, query[None], key[None], value[None], SCALE)
        for layer, (query, key, value) in enumerate(inputs)
    ]
    commit(branches, rows)
    return torch.cat(outs)


def read(
    branches: list[Branch],
    sizes: tuple[int, ...],
    most: int,
    axes: int,
    inputs: list[Inputs],
) -> Tensor:
    """As `packed`, in a pass of `most` tokens, the last of which are unused."""
    rows = [branch.row(size) for branch, size in zip(branches, sizes, strict=True)]
    like = inputs[0][0]
    eight_bits = branches[0].slab.values.dtype == EIGHT_BITS
    reader = partial(kernels.Reader, eight_bits=eight_bits)
    run = ReadingPass(most, rotary(axes), axes, 320, reader, like.device)
    columns = columns_of(rows, most)
    run.table.copy_(columns)
    run.begin()
    used, filled = sum(sizes), most - sum(sizes)
    outs = []
    for layer, parts in enumerate(inputs):
        query, key, value = (functional.pad(part, (0, 0, 0, filled), value=9.0) for part in parts)
        out = run.attend(layer, query[None], key[None], value[None], SCALE)
        assert torch.isfinite(out).all()
        outs.append(out[:, :used])
    commit(branches, rows)
    return torch.cat(outs)


def commit(branches: list[Branch], rows: list[BranchRow]) -> None:
    for branch, row in zip(branches, rows, strict=True):
        branch.commit(row)
