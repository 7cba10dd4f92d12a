"""Rotation is exact: only relative positions matter, and moving is integer arithmetic."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from hermes.memory import Rotary, rotate

DIM = 16


def rotary(axes: int) -> Rotary:
    frequencies = 1.0 / (10_000.0 ** (torch.arange(0, DIM, 2) / DIM))
    axis = (torch.arange(DIM // 2) % axes).repeat(2)
    return Rotary(frequencies.repeat(2), axis)


def vector(seed: int) -> torch.Tensor:
    return torch.randn((1, 1, DIM), generator=torch.Generator().manual_seed(seed))


positions = st.integers(0, 3000)


@given(
    p=positions, q=positions, shift=positions, axes=st.sampled_from([1, 3]), seed=st.integers(0, 99)
)
def test_attention_depends_on_relative_position_only(
    p: int, q: int, shift: int, axes: int, seed: int
) -> None:
    turn = rotary(axes)
    key, query = vector(seed), vector(seed + 1)

    def score(key_at: int, query_at: int) -> float:
        key_tables = turn.tables(torch.full((axes, 1), key_at))
        query_tables = turn.tables(torch.full((axes, 1), query_at))
        return float((rotate(key, key_tables) * rotate(query, query_tables)).sum())

    assert abs(score(p, q) - score(p + shift, q + shift)) < 2e-3


coordinates = st.lists(st.integers(0, 3000), min_size=3, max_size=3)


@given(old=coordinates, new=coordinates, axes=st.sampled_from([1, 3]), seed=st.integers(0, 99))
def test_moving_a_token_is_a_fresh_rotation(
    old: list[int], new: list[int], axes: int, seed: int
) -> None:
    """A key rotated to p and then by q - p, each axis by its own shift, is the key rotated to q."""
    turn, key = rotary(axes), vector(seed)
    p, q = (torch.tensor(place[:axes])[:, None] for place in (old, new))
    moved = rotate(rotate(key, turn.tables(p)), turn.tables(q - p))
    assert torch.allclose(moved, rotate(key, turn.tables(q)), atol=2e-3)
    back = rotate(moved, turn.tables(p - q))
    assert torch.allclose(back, rotate(key, turn.tables(p)), atol=4e-3)


def test_position_zero_is_the_identity() -> None:
    key = vector(3)
    assert torch.equal(rotate(key, rotary(3).tables(torch.zeros((3, 1)))), key)


def test_each_channel_is_rotated_by_its_own_axis() -> None:
    turn = rotary(3)
    only_time = turn.tables(torch.tensor([[5], [0], [0]]))
    still = turn.axis != 0
    assert torch.all(only_time[1][:, still] == 0)
    assert torch.any(only_time[1][:, ~still] != 0)


def test_rotates_into_a_given_tensor() -> None:
    key, tables = vector(4), rotary(1).tables(torch.tensor([[7]]))
    out = torch.empty_like(key)
    assert torch.equal(rotate(key, tables, out=out), rotate(key, tables))
