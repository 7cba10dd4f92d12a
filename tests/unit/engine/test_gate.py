"""Pictures that show nothing new do not pass; pictures that show something new do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hermes.engine import SimilarityGate
from hermes.errors import InvalidInput


def still(seed: int = 0) -> Tensor:
    """A grey wall with a sensor's noise."""
    noise = torch.randn((3, 96, 128), generator=torch.Generator().manual_seed(seed)) * 4
    return (128 + noise).clamp(0, 255).to(torch.uint8)


def test_noise_does_not_pass_and_a_small_object_does() -> None:
    gate = SimilarityGate(threshold=6, longest_s=1000)
    assert gate.passes(still(0), 0)
    assert not any(gate.passes(still(seed), 1000 * seed) for seed in range(1, 50))
    someone = still(50)
    someone[:, 40:50, 60:68] = 255  # less than a hundredth of the picture
    assert gate.passes(someone, 50_000)
    assert gate.passes(still(51), 51_000)  # and is gone again


def test_a_slow_change_passes_once_it_adds_up() -> None:
    gate = SimilarityGate(threshold=6, longest_s=1000)
    passed = [
        level
        for level in range(100, 130)
        if gate.passes(torch.full((3, 32, 32), level, dtype=torch.uint8), level)
    ]
    assert passed == [100, 106, 112, 118, 124]


def test_a_picture_passes_after_the_longest_time_in_any_case() -> None:
    gate = SimilarityGate(threshold=200, longest_s=10)
    passed = [second for second in range(35) if gate.passes(still(), 1000 * second)]
    assert passed == [0, 10, 20, 30]


def test_a_clock_set_back_blocks_no_pictures() -> None:
    gate = SimilarityGate(threshold=200, longest_s=10)
    assert gate.passes(still(), 1_000_000)
    assert gate.passes(still(), 0)
    assert not gate.passes(still(), 1)


def test_pictures_may_change_their_size() -> None:
    gate = SimilarityGate(threshold=6, longest_s=10)
    assert gate.passes(torch.zeros((3, 32, 32), dtype=torch.uint8), 0)
    assert not gate.passes(torch.zeros((3, 8, 200), dtype=torch.uint8), 1)


@pytest.mark.parametrize(("threshold", "longest"), [(0, 1), (256, 1), (6, 0), (float("nan"), 1)])
def test_bad_settings_are_refused(threshold: float, longest: float) -> None:
    with pytest.raises(InvalidInput):
        SimilarityGate(threshold, longest)
