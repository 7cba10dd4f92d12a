"""Ways to compute the same attention."""

from __future__ import annotations

import pytest
import torch

from hermes.memory.attention import causal_attention, folded_mask, grouped_attention, tail_mask


@pytest.mark.parametrize(("queries", "keys"), [(1, 9), (4, 9), (9, 9)])
def test_with_a_mask_or_without_one(queries: int, keys: int) -> None:
    generator = torch.Generator().manual_seed(queries)
    query = torch.randn((6, queries, 16), generator=generator)
    key, value = torch.randn((2, 2, keys, 16), generator=generator)
    mask = tail_mask(queries, keys, query.device)
    folded = None if mask is None else folded_mask(mask, 3, query.dtype)
    expected = grouped_attention(query, key, value, folded, 0.25)
    torch.testing.assert_close(causal_attention(query, key, value, 0.25), expected)
