"""Which places of a frame are taken in."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import hermes.memory.changes
from hermes.errors import InvalidInput
from hermes.memory.changes import (
    FLOOR_MOST,
    NOISE_FRAMES,
    ChangeConfig,
    Changes,
    Look,
    Seen,
    Shown,
    beside,
    distance,
    unlike,
)
from tests.support.examples import at_most

PLACES, WIDTH, UNIT = 12, 64, 1.0


def features(seed: int, places: int = PLACES) -> Tensor:
    return torch.randn((places, WIDTH), generator=torch.Generator().manual_seed(seed))


def noisy(base: Tensor, amount: float, seed: int) -> Tensor:
    return base + amount * features(seed, len(base))


def looks(frames: list[Tensor], step_s: float = 1.0, **config: Any) -> list[Look]:
    changes, seen, found = Changes(ChangeConfig(**config), UNIT), None, []
    for number, frame in enumerate(frames):
        look = changes.look(seen, frame, int(1000 * step_s * number))
        seen = look.seen
        found.append(look)
    return found


def test_a_place_that_changes_is_taken_with_those_beside_it() -> None:
    """In a picture of three rows and four columns; those at an edge have fewer."""
    for place, expected in ((5, {5, 1, 9, 4, 6}), (0, {0, 1, 4}), (11, {11, 7, 10})):
        after = features(1)
        after[place] = features(2)[place]
        changes = Changes(ChangeConfig(), UNIT)
        seen = changes.look(None, features(1), 0, (3, 4)).seen
        look = changes.look(seen, after, 1000, (3, 4))
        assert set(look.taken.nonzero().flatten().tolist()) == expected
        assert float(look.share) == pytest.approx(1 / PLACES), "only that one changed"
        again = changes.look(look.seen, after, 2000, (3, 4))
        assert int(again.taken.sum()) == 1


def test_how_far_what_is_beside_a_place_reaches() -> None:
    after = features(1)
    after[0] = features(2)[0]
    taken = {}
    for around in (0, 1, 2):
        changes = Changes(ChangeConfig(around=around), UNIT)
        seen = changes.look(None, features(1), 0, (3, 4)).seen
        look = changes.look(seen, after, 1000, (3, 4))
        taken[around] = look.taken.nonzero().flatten().tolist()
    assert taken == {0: [0], 1: [0, 1, 4], 2: [0, 1, 2, 4, 8]}


def test_places_in_line_are_those_of_a_square_picture() -> None:
    assert beside((9,), 1).tolist() == beside((3, 3), 1).tolist()
    assert set(beside((7,), 1)[3].tolist()) == {2, 3, 4}, "no square: a row"


def counts(found: list[Look]) -> list[int]:
    return [int(look.taken.sum()) for look in found]


def test_the_first_frame_is_taken_whole() -> None:
    (look,) = looks([features(1)])
    assert look.taken.all()
    assert float(look.share) == 1


def test_a_still_picture_costs_one_token_a_frame() -> None:
    assert counts(looks([features(1)] * 5)) == [PLACES, 1, 1, 1, 1]


def test_a_place_that_changes_is_taken_and_its_neighbours_are_not() -> None:
    after = features(1)
    after[3] = features(2)[3]
    look = looks([features(1), features(1), after])[-1]
    assert look.taken.nonzero().flatten().tolist() == [3]
    assert float(look.share) == pytest.approx(1 / PLACES)
    assert torch.equal(look.seen.reference[3], after[3])


def test_a_cut_takes_everything_in() -> None:
    found = looks([features(1)] * 3 + [features(2)] * 2)
    assert counts(found) == [PLACES, 1, 1, PLACES, 1]


def test_a_frame_of_which_half_has_changed_is_taken_whole() -> None:
    after = features(1)
    after[: PLACES // 2] = features(2)[: PLACES // 2]
    assert counts(looks([features(1), features(1), after])) == [PLACES, 1, PLACES]
    assert counts(looks([features(1), features(1), after], whole=0.6)) == [PLACES, 1, PLACES // 2]


def test_noise_counts_only_until_its_floor_is_known() -> None:
    base = features(1)
    found = counts(looks([noisy(base, 0.8, 100 + n) for n in range(80)]))
    # A frame has at least one token.
    assert sum(count - 1 for count in found[20:]) <= 0.02 * PLACES * 60
    # Noise of this size is more than the threshold.
    assert float(distance(noisy(base, 0.8, 5), base).median()) > ChangeConfig().threshold * UNIT


def test_a_change_is_seen_through_noise() -> None:
    before, after = features(1), features(1)
    after[3] = features(2)[3]
    frames = [noisy(before, 0.3, 100 + n) for n in range(40)] + [noisy(after, 0.3, 200)]
    assert looks(frames)[-1].taken[3]


def test_a_change_that_stays_does_not_hide_the_next_one() -> None:
    """The noise floor is a median: what changes now and then does not raise it."""
    frames = []
    for number in range(40):
        frame = features(1)
        if number % 5 >= 3:
            frame[3] = features(2)[3]
        frames.append(frame)
    taken = [bool(look.taken[3]) for look in looks(frames)]
    changed = [True] + [(a % 5 >= 3) != (b % 5 >= 3) for a, b in pairwise(range(40))]
    assert [t for t, c in zip(taken, changed, strict=True) if c] == [True] * sum(changed)


def test_however_noisy_a_place_is_another_thing_counts() -> None:
    base = features(1)
    frames = [noisy(base, 3.0, 100 + n) for n in range(40)]
    other = features(1)
    other[3] = -frames[-1][3]
    assert looks([*frames, other])[-1].taken[3]
    assert FLOOR_MOST < 1


def test_a_slow_drift_adds_up() -> None:
    """No step of it would count, and after each frame the reference is close to the picture."""
    start, end = features(1, places=200), features(2, places=200)
    frames = [start + (end - start) * n / 60 for n in range(61)]
    steps = max(float(distance(one, two).max()) for one, two in pairwise(frames))
    least = ChangeConfig().threshold * UNIT
    assert steps < least / 10
    found = looks(frames)
    assert 2 * 200 < sum(counts(found)[1:]) < 6 * 200
    for frame, look in zip(frames, found, strict=True):
        assert float(distance(frame, look.seen.reference).max()) <= least


def test_a_threshold_of_0_takes_everything_in() -> None:
    assert counts(looks([features(1)] * 4, threshold=0)) == [PLACES] * 4
    noise = [noisy(features(1), 0.5, n) for n in range(6)]
    assert counts(looks(noise, threshold=0)) == [PLACES] * 6


def test_refresh_takes_every_place_again_and_never_all_at_once() -> None:
    found = looks([features(1)] * 100, refresh_s=20)
    ages = torch.zeros(PLACES)
    for look in found[1:]:
        ages = torch.where(look.taken, 0.0, ages + 1)
        assert ages.max() <= 20
        assert look.taken.sum() <= PLACES // 2
    assert sum(counts(found)[1:]) < 99 * 3


def test_a_picture_of_another_size_is_taken_whole() -> None:
    found = looks([features(1), features(1), features(1, places=20), features(1, places=20)])
    assert counts(found) == [PLACES, 1, 20, 1]


def test_levels_count_by_the_one_that_changed_most() -> None:
    one = features(1)
    other = one.clone()
    other[:, WIDTH // 2 :] = features(2)[:, WIDTH // 2 :] * 1e-3
    assert float(distance(one, other, levels=2).min()) > 0.4
    assert torch.equal(distance(one, other), distance(one, other, levels=1))
    changes = Changes(ChangeConfig(), UNIT, levels=2)
    first = changes.look(None, one, 0)
    assert changes.look(first.seen, other, 1000).taken.all()


def test_looking_changes_nothing() -> None:
    """A pass that fails is repeated from the same state."""
    changes = Changes(ChangeConfig(), UNIT)
    first = changes.look(None, features(1), 0)
    kept = [part.clone() for part in (first.seen.reference, first.seen.noise)]
    once = changes.look(first.seen, features(2), 1000)
    again = changes.look(first.seen, features(2), 1000)
    assert torch.equal(first.seen.reference, kept[0])
    assert torch.equal(first.seen.noise, kept[1])
    assert torch.equal(once.taken, again.taken)
    assert torch.equal(once.seen.noise, again.seen.noise)


@settings(max_examples=at_most(50), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1)), min_size=1, max_size=30))
def test_what_is_left_out_looks_like_what_was_taken_in(script: list[tuple[int, float]]) -> None:
    frames = [noisy(features(scene), amount, 50 + n) for n, (scene, amount) in enumerate(script)]
    changes, seen = Changes(ChangeConfig(), UNIT), None
    for number, frame in enumerate(frames):
        before = seen
        look = changes.look(seen, frame, 1000 * number)
        seen = look.seen
        assert look.taken.any()
        assert torch.equal(seen.newest, frame)
        assert torch.equal(seen.reference[look.taken], frame[look.taken])
        if before is not None:
            assert torch.equal(seen.reference[~look.taken], before.reference[~look.taken])
            apart = distance(frame, before.reference)[~look.taken]
            assert (apart < FLOOR_MOST * UNIT).all()
    assert seen is not None
    assert seen.noise.shape == (NOISE_FRAMES, PLACES)


def test_the_unit_is_the_distance_of_unlike_things() -> None:
    frames = torch.stack([features(1), features(2)])
    assert unlike(frames) == pytest.approx(1, abs=0.05)
    alike = torch.stack([noisy(features(1)[:1].expand(8, -1), 0.1, n) for n in range(2)])
    assert unlike(alike) < 0.05


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"threshold": -0.1}, "threshold"),
        ({"threshold": 0.9}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"noise": 0.5}, "noise"),
        ({"whole": 0.0}, "whole"),
        ({"refresh_s": -1.0}, "refresh_s"),
        ({"around": -1}, "around"),
        ({"refresh_s": float("inf")}, "refresh_s"),
    ],
)
def test_impossible_settings_are_refused_by_name(config: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ChangeConfig(**config)
    assert caught.value.field == field


@pytest.mark.parametrize("at_once", [2**22, 2 * PLACES * WIDTH])
def test_cameras_that_are_looked_at_together_see_what_each_sees_alone(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit. Some have seen many frames and some none; one has a smaller picture."""
    monkeypatch.setattr(hermes.memory.changes, "AT_ONCE", at_once)
    changes = Changes(ChangeConfig(refresh_s=9.0), UNIT)
    alone: list[Seen | None] = [None] * 6
    together: list[Seen | None] = [None] * 6
    for number in range(NOISE_FRAMES + 3):
        shown = []
        for camera, seen in enumerate(together):
            places = 6 if camera == 5 else PLACES
            seen = None if camera == 4 and number < 9 else seen
            frame = noisy(features(camera, places), 0.2 * camera * (number % 5 == 3), 31 * number)
            shown.append(Shown(seen, frame, 1000 * number + camera, (places // 3, 3)))
        looks = changes.looks(shown)
        for camera, (own, found) in enumerate(zip(shown, looks, strict=True)):
            before = None if own.seen is None else alone[camera]
            wanted = changes.look(before, own.features, own.capture_ms, own.sides)
            assert torch.equal(found.taken, wanted.taken)
            assert torch.equal(found.numbers, wanted.numbers)
            for name in ("reference", "newest", "noise", "taken_ms"):
                assert torch.equal(getattr(found.seen, name), getattr(wanted.seen, name)), name
            assert found.seen.steps == wanted.seen.steps
            assert int(found.numbers[0]) == int(found.taken.sum())
            alone[camera], together[camera] = wanted.seen, found.seen
