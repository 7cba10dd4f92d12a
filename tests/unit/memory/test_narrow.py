"""16 bits: no score leaves their range, although the products of bare vectors would."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.memory import (
    POLICIES,
    CacheShape,
    EmbeddingsRow,
    FrameLayout,
    FrameStamp,
    MemoryConfig,
    PackedPass,
    Projections,
    Rotary,
    Row,
    StreamMemory,
)

torch.set_num_threads(1)  # a second thread beside another process is slower than none

LAYERS, HEADS, KV_HEADS, DIM = 10, 4, 2, 64
PREFIX, PER_FRAME, SCALE = 2, 4, DIM**-0.5
NARROW = [torch.float16, torch.bfloat16]
LOUD = 40.0
"""64 products of 40 times 40 are 102,400, more than the 65,504 that fp16 can hold."""

Vectors = tuple[Tensor, Tensor, Tensor]


def vectors(tokens: int, dtype: torch.dtype, generator: torch.Generator) -> Vectors:
    """Queries, keys and values: all queries and keys point the same way, nearly."""
    near = LOUD * (1 + 0.01 * torch.randn((HEADS + KV_HEADS, tokens, DIM), generator=generator))
    values = torch.randn((KV_HEADS, tokens, DIM), generator=generator)
    return near[:HEADS].to(dtype), near[HEADS:].to(dtype), values.to(dtype)


def all_outputs(policy: str, dtype: torch.dtype) -> list[Tensor]:
    """Of frames, guidance prompts, and two questions alone and beside each other."""
    generator = torch.Generator().manual_seed(0)
    shape = CacheShape(LAYERS, KV_HEADS, DIM, 1, dtype, torch.device("cpu"))
    rotary = Rotary(torch.full((DIM,), 1e-4), torch.zeros(DIM, dtype=torch.int64))
    memory = StreamMemory(shape, rotary, MemoryConfig(16, 16, 4096, 16, "lazy"), POLICIES[policy]())
    outputs: list[Tensor] = []

    def through(*rows: Any) -> None:
        tokens = sum(row.tokens for row in rows)
        packed: Any = PackedPass(rows)
        for layer in range(LAYERS):
            parts = vectors(tokens, dtype, generator)
            found = packed.attend(layer, *(part.unsqueeze(0) for part in parts), SCALE)
            outputs.append(found.float())

    row = memory.begin_prefix(PREFIX)
    through(row)
    memory.commit(row)
    raw = Projections(*(torch.stack([p] * LAYERS) for p in vectors(3, dtype, generator)[:2]))
    for step in range(3):
        row = memory.begin_frames(
            [FrameStamp(100 * step + n) for n in range(4)], FrameLayout.sequential(PER_FRAME)
        )
        bare = policy == "hermes-published-code"
        guides: tuple[Row, ...] = memory.guide([3, 3], [raw, raw] if bare else ())
        through(row, *guides)
        for guide in guides:
            assert isinstance(guide, EmbeddingsRow) == bare
        memory.commit(row)
        memory.compress()
    with memory.branch(9) as one, memory.branch(9) as two:
        for tokens in (5, 1):
            rows = one.row(tokens), two.row(tokens)
            through(*rows)
            one.commit(rows[0])
            two.commit(rows[1])
        through(one.row(2))
    return outputs


@pytest.mark.parametrize("policy", ["hermes", "hermes-published-code"])
@pytest.mark.parametrize("dtype", NARROW)
def test_loud_queries_and_keys_stay_in_range(policy: str, dtype: torch.dtype) -> None:
    narrow, wide = all_outputs(policy, dtype), all_outputs(policy, torch.float32)
    for found, expected in zip(narrow, wide, strict=True):
        assert torch.isfinite(found).all()
        assert float(found.abs().max()) <= float(expected.abs().max()) * 1.5
