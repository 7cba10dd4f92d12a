"""One launch rotates as the steps do, for every family of models."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.memory import CacheShape, Rotary, rope, slab
from hermes.memory.excerpt import Excerpt
from hermes.memory.rope import kernels_for, rotate
from hermes.memory.slab import Slab, SlabPool

rotation = pytest.importorskip("hermes.memory.rotation")
DEVICE = torch.device("cpu" if "TRITON_INTERPRET" in os.environ else "cuda")

DIM = 32
HALF = DIM // 2
POISON = float("nan")


def interleaved(sections: tuple[int, int, int]) -> Tensor:
    """Axes as in Qwen3-VL: time, height, width in turn; what is left turns with time."""
    axis = torch.zeros(HALF, dtype=torch.int64)
    for of in (1, 2):
        axis[of : 3 * sections[of] : 3] = of
    return axis


AXES = {
    "plain": torch.zeros(HALF, dtype=torch.int64),
    "in sections, as in Qwen2.5-VL": torch.tensor([0] * 4 + [1] * 6 + [2] * 6),
    "interleaved, as in Qwen3-VL": interleaved((6, 5, 5)),
}


def rotary(axis: Tensor, turning: int = HALF, scaling: float = 1.0) -> Rotary:
    """`turning`: so many pairs of channels are rotated, the others stay as they are."""
    frequencies = 1e6 ** (-torch.arange(HALF) / HALF)
    frequencies[turning:] = 0.0
    return Rotary(frequencies.repeat(2).to(DEVICE), axis.repeat(2).to(DEVICE), scaling)


ROTARIES = {name: rotary(axis) for name, axis in AXES.items()} | {
    "of a part of the channels": rotary(AXES["plain"], turning=HALF // 4),
    "scaled": rotary(AXES["plain"], scaling=1.2),
}
families = pytest.mark.parametrize("turn", ROTARIES.values(), ids=ROTARIES.keys())


def axes_of(turn: Rotary) -> int:
    return int(turn.axis.max()) + 1


def positions_of(turn: Rotary, *sizes: int, most: int = 32_768) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, most, sizes, generator=generator).to(DEVICE)


def exact(turn: Rotary, positions: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin of the angles as models round them, otherwise in double precision."""
    angles = (positions.to(torch.float32)[turn.axis].mT * turn.frequencies).double()
    return angles.cos() * turn.scaling, angles.sin() * turn.scaling


@families
def test_cos_and_sin_are_exact_at_far_positions(turn: Rotary) -> None:
    positions = positions_of(turn, axes_of(turn), 45, most=100_000)
    made = rotation.tables(positions, turn.frequencies, turn.axis, turn.scaling)
    for found, expected in zip(made.unbind(1), exact(turn, positions), strict=True):
        torch.testing.assert_close(found.double(), expected, atol=2e-6, rtol=0)


def test_the_same_position_on_all_axes_needs_no_copy() -> None:
    """As text has it. Positions before 0 turn back."""
    turn = ROTARIES["in sections, as in Qwen2.5-VL"]
    positions = torch.arange(-3, 30, device=DEVICE).expand(3, -1)
    made = rotation.tables(positions, turn.frequencies, turn.axis, turn.scaling)
    for found, expected in zip(made.unbind(1), exact(turn, positions), strict=True):
        torch.testing.assert_close(found.double(), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("tokens", [1, 33])
def test_queries_are_rotated_and_scaled_wherever_they_lie(dtype: torch.dtype, tokens: int) -> None:
    generator = torch.Generator().manual_seed(6)
    turn = ROTARIES["interleaved, as in Qwen3-VL"]
    lines = torch.randn((tokens, 5, DIM), generator=generator).to(DEVICE, dtype)
    x = lines.transpose(0, 1)  # as a projection leaves it
    room = torch.full((5, tokens + 7, DIM), POISON, dtype=dtype, device=DEVICE)
    tables = turn.tables(positions_of(turn, 3, tokens))
    found = rotation.rotate(x, tables, room[:, 3 : tokens + 3], 0.25)
    torch.testing.assert_close(found, rotate(x, tables, scale=0.25), atol=1e-3, rtol=1e-3)
    assert int(room.isnan().sum()) == 5 * 7 * DIM


LAYERS, HEADS, CAPACITY = 2, 2, 50


@families
def test_keys_of_all_layers_are_rotated_where_tokens_are_and_nowhere_else(turn: Rotary) -> None:
    """Beyond them lie numbers that are not finite, as in memory that was never written."""
    generator = torch.Generator().manual_seed(7)
    first, end = 3, 41
    keys = torch.full((LAYERS, HEADS, CAPACITY, DIM), POISON, device=DEVICE)
    keys[:, :, first:end] = torch.randn((LAYERS, HEADS, end - first, DIM), generator=generator)
    positions = positions_of(turn, LAYERS, axes_of(turn), CAPACITY).to(torch.int32)
    found, expected = (torch.full_like(keys, POISON) for _ in range(2))
    parts = turn.frequencies, turn.axis, turn.scaling
    rotation.rotate_keys(keys, positions, parts, found, (first, end))
    turn.rotate_keys(keys.cpu(), positions, expected, first, end)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5, equal_nan=True)


def test_chosen_keys_are_gathered_as_many_as_each_layer_has() -> None:
    generator = torch.Generator().manual_seed(8)
    turn = ROTARIES["in sections, as in Qwen2.5-VL"]
    keys = torch.randn((LAYERS, HEADS, CAPACITY, DIM), generator=generator)
    positions = positions_of(turn, LAYERS, 3, CAPACITY).to(torch.int32)
    counts = (5, 37)
    index = torch.zeros((LAYERS, max(counts)), dtype=torch.int64)
    for layer, count in enumerate(counts):
        index[layer, :count] = torch.randperm(CAPACITY, generator=generator)[:count].sort().values
    found, expected = (torch.full((LAYERS, HEADS, 40, DIM), POISON) for _ in range(2))
    parts = turn.frequencies, turn.axis, turn.scaling
    chosen = index, torch.tensor(counts, dtype=torch.int32)
    rotation.rotate_keys(keys, positions, parts, found, (0, max(counts)), chosen)
    turn.rotate_keys(keys, positions, expected, 0, max(counts), chosen)
    for layer, count in enumerate(counts):
        ours, other = found[layer, :, :count], expected[layer, :, :count]
        torch.testing.assert_close(ours, other, atol=1e-5, rtol=1e-5)
        assert found[layer, :, count:].isnan().all()


class Counted:
    """The kernels, and which of them were launched."""

    def __init__(self) -> None:
        self.launched: list[str] = []

    def __getattr__(self, name: str) -> Any:
        kernel = getattr(rotation, name)

        def launch(*arguments: Any) -> Any:
            self.launched.append(name)
            return kernel(*arguments)

        return launch


def filled(shape: CacheShape) -> tuple[Slab, SlabPool]:
    generator = torch.Generator().manual_seed(9)
    pool = SlabPool(shape)
    made = pool.take(CAPACITY)
    made.keys.copy_(torch.randn(made.keys.shape, generator=generator))
    made.values.copy_(torch.randn(made.values.shape, generator=generator))
    made.positions.copy_(torch.arange(CAPACITY).expand(made.positions.shape))
    made.length = CAPACITY - 4
    return made, pool


def test_a_memory_is_rotated_in_one_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: all layers when a question comes, one layer while frames are taken in."""
    turn = ROTARIES["interleaved, as in Qwen3-VL"]
    shape = CacheShape(LAYERS, HEADS, DIM, 3, torch.float32, DEVICE)
    chosen = torch.rand((LAYERS, CAPACITY - 4), generator=torch.Generator().manual_seed(1)) < 0.4

    def all_of_it() -> list[Tensor]:
        memory, pool = filled(shape)
        one = memory.rotated_keys(1, memory.length, turn).clone()
        excerpt = Excerpt(memory, chosen, turn, pool)
        parts = [excerpt.read(layer, memory.length, turn)[0].clone() for layer in range(LAYERS)]
        memory.open()
        return [one, *parts, memory.all_rotated_keys(memory.length, turn)[:, :, : memory.length]]

    monkeypatch.setattr(slab, "caches_rotated_keys", lambda shape: False)
    monkeypatch.setattr("hermes.memory.excerpt.caches_rotated_keys", lambda shape: False)
    expected, counted = all_of_it(), Counted()
    monkeypatch.setattr(rope, "kernels_for", lambda device, dim: counted)
    for found, right in zip(all_of_it(), expected, strict=True):
        torch.testing.assert_close(found, right, atol=1e-5, rtol=1e-5)
    assert counted.launched == ["rotate_keys"] * 3
    rotate(torch.ones((1, 2, DIM)), turn.tables(positions_of(turn, 3, 2)), scale=0.5)
    turn.stacked(positions_of(turn, 3, 2))
    assert counted.launched[3:] == ["tables", "rotate", "tables"]


def test_where_there_is_no_gpu_the_steps_are_taken() -> None:
    assert kernels_for(torch.device("cpu"), DIM) is None
    assert kernels_for(torch.device("cuda"), 80) is None, "the kernels take powers of two"


def test_the_halves_of_a_head_turn_together() -> None:
    """Else it would be no rotation, and lengths of vectors would change."""
    with pytest.raises(ValueError, match="halves"):
        Rotary(torch.rand(8), torch.zeros(8, dtype=torch.int64))
    with pytest.raises(ValueError, match="halves"):
        Rotary(torch.ones(8), torch.arange(8))
