"""Copies are not new, and what changed is."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.errors import InvalidInput
from hermes.memory import Candidates, Hermes, HermesConfig
from hermes.memory.novelty import QUARTER_NEW, novelty
from hermes.memory.summary import SUMMARY_PATCH
from tests.support.examples import at_most

LAYERS = 10


def slow(values: torch.Tensor, patches: torch.Tensor, run: int) -> list[list[float]]:
    """The same, a token at a time."""
    rows = []
    for layer, places in enumerate(patches.tolist()):
        last: dict[int, torch.Tensor] = {}
        row = []
        for index, place in enumerate(places):
            value = values[layer, :, index].flatten()
            others = [last[place]] if place in last else []
            for earlier in range(max(0, index - run), index):
                if places[earlier] != SUMMARY_PATCH:
                    others.append(values[layer, :, earlier].flatten())
            if not others or place == SUMMARY_PATCH:
                row.append(1.0)
            else:
                near = [float(torch.cosine_similarity(value, one, dim=0)) for one in others]
                apart = max(0.0, 1 - max(near))
                row.append((apart / (apart + QUARTER_NEW)) ** 2)
            last[place] = value
        rows.append(row)
    return rows


@given(st.integers(1, 40), st.integers(0, 50), st.integers(0, 2**31))
@settings(max_examples=at_most(50), deadline=None)
def test_against_a_plain_loop(count: int, run: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn((3, 2, count, 4), generator=generator)
    patches = torch.randint(-1, 4, (3, count), generator=generator, dtype=torch.int32)
    found = novelty(values, patches, run)
    wanted = torch.tensor(slow(values, patches, run))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    assert ((found >= 0) & (found <= 1)).all()


def test_a_copy_is_not_new_and_a_change_is() -> None:
    still, moved = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    values = torch.stack([still, still, moved, moved, still])[None, None]
    patches = torch.zeros((1, 5), dtype=torch.int32)
    first, copy, change, again, back = novelty(values, patches)[0].tolist()
    assert (first, copy, again) == (1.0, 0.0, 0.0)
    assert change == back == pytest.approx((1 / 1.1) ** 2)
    assert not math.isnan(change)


def test_what_moves_is_new_only_once() -> None:
    """An object at one place after another, and then another object."""
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    values = torch.stack([one, one, one, other, one])[None, None]
    patches = torch.arange(5, dtype=torch.int32)[None]
    assert novelty(values, patches)[0].tolist() == [1.0] * 5
    far = pytest.approx((1 / 1.1) ** 2)
    assert novelty(values, patches, 1)[0].tolist() == [1.0, 0.0, 0.0, far, far]
    assert novelty(values, patches, 2)[0].tolist() == [1.0, 0.0, 0.0, far, 0.0]


def still_stream(frames: int, patches: int) -> Candidates:
    """A picture that never changes but for one patch, half-way; attention grows with time."""
    numbers = torch.arange(frames).repeat_interleave(patches).expand(LAYERS, -1)
    places = torch.arange(patches, dtype=torch.int32).repeat(frames).expand(LAYERS, -1)
    generator = torch.Generator().manual_seed(1)
    picture = torch.randn((patches, 8), generator=generator)
    values = picture.repeat(frames, 1)
    changed = (numbers[0] >= frames // 2) & (places[0] == 1)
    values[changed] = torch.randn(8, generator=generator)
    attention = torch.linspace(0.1, 1, frames * patches).expand(2, LAYERS, -1)
    return Candidates(
        numbers, places, frames, attention, values.expand(LAYERS, 1, -1, -1).contiguous()
    )


def test_a_new_token_is_kept_before_copies_with_more_attention() -> None:
    frames, patches, budget = 20, 4, 24
    candidates = still_stream(frames, patches)
    config = HermesConfig(recent_frames=2, summary="off", novelty=1)
    kept = Hermes(config).select(candidates, budget).keep
    for layer in range(1, LAYERS):
        held = set(
            zip(
                candidates.frames[layer, kept[layer]].tolist(),
                candidates.patches[layer, kept[layer]].tolist(),
                strict=True,
            )
        )
        # What was there first (but the token that nothing attended to), and what changed.
        assert {(0, 1), (0, 2), (0, 3), (10, 1)} <= held
    without = Hermes(HermesConfig(recent_frames=2, summary="off", novelty=0))
    old = candidates.frames[-1, without.select(candidates, budget).keep[-1]]
    assert int(old.min()) > 10


def test_settings_are_checked() -> None:
    for bad in (-0.1, 1.1):
        with pytest.raises(InvalidInput, match="novelty"):
            HermesConfig(novelty=bad)
        with pytest.raises(InvalidInput, match="agreement"):
            HermesConfig(agreement=bad)
