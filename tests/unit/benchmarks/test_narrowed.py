"""Keys and values in fewer bits: how they are rounded, and that a memory holds them so."""

from __future__ import annotations

import pytest
import torch

from benchmarks.quality.narrowed import (
    Narrowed,
    Rounding,
    bare_small_floats,
    small_floats,
    whole_numbers,
)
from tests.support import tiny

ROUNDINGS = {
    "int8": (whole_numbers(8), 0.01),
    "int4": (whole_numbers(4), 0.15),
    "e4m3": (small_floats, 0.04),
    "e4m3 without a scale": (bare_small_floats, 0.04),
}


@pytest.mark.parametrize("name", ROUNDINGS)
def test_a_rounding_is_as_coarse_as_its_bits_and_changes_nothing_the_second_time(name: str) -> None:
    rounding, most = ROUNDINGS[name]
    x = torch.randn((2, 50, 64), generator=torch.Generator().manual_seed(0))
    once = rounding(x)
    error = float((once - x).norm() / x.norm())
    assert most / 10 < error < most
    torch.testing.assert_close(rounding(once), once, atol=1e-5, rtol=1e-5)


def test_each_token_of_each_head_has_a_scale_of_its_own() -> None:
    """A token of large values takes no precision from the others."""
    x = torch.ones((1, 2, 4))
    x[0, 1] *= 1000
    for rounding in (whole_numbers(8), small_floats):
        torch.testing.assert_close(rounding(x), x)
    assert not rounding(torch.zeros((1, 2, 4))).isnan().any()


@pytest.mark.parametrize("rounding", [whole_numbers(4), small_floats])
def test_a_memory_holds_what_its_bits_can_hold(rounding: Rounding) -> None:
    """After a compression, too, and it answers from that."""
    memory = Narrowed(tiny.model(), 96, 3, rounding)
    memory.feed(tiny.pictures(8))
    held = memory.cache.held
    for part in (held.slab.keys, held.slab.values):
        video = part[:, :, held.video]
        torch.testing.assert_close(rounding(video), video, atol=1e-4, rtol=1e-4)
    assert memory.ask("What now?", 2)
