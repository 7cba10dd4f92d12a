"""What a person may ask for is checked, and each fault is named."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hermes.errors import InvalidInput
from hermes.sampling import GREEDY, MAX_SEED, Sampling


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": -0.1},
        {"temperature": math.inf},
        {"temperature": math.nan},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.01},
        {"top_p": math.nan},
        {"seed": -1},
        {"seed": MAX_SEED + 1},
        {"repetition_penalty": 0.0},
        {"repetition_penalty": math.nan},
        {"repetition_penalty": math.inf},
        {"stop": ("",)},
        {"stop": ("x" * 257,)},
        {"stop": ("x",) * 17},
    ],
)
def test_each_fault_is_named(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        Sampling(**bad)
    assert refused.value.field == next(iter(bad))


def test_the_default_draws_nothing() -> None:
    assert not GREEDY.draws
    assert Sampling(temperature=0.5).draws
    assert not Sampling(top_k=5, top_p=0.5, seed=3).draws
