"""Keys and values in 8 bits: what is stored, what is read, and what a memory makes of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack

import pytest
import torch
from torch import Tensor

from hermes.engine import snapshot
from hermes.errors import SnapshotCorrupt, SnapshotMismatch
from hermes.memory import (
    AppendRow,
    CacheShape,
    FrameLayout,
    FrameStamp,
    Hermes,
    HermesConfig,
    MemoryConfig,
    MemoryState,
    PackedPass,
    RetentionPolicy,
    Rotary,
    Row,
    SlidingWindow,
    StreamMemory,
)
from hermes.memory.config import Summary
from hermes.memory.readings import Readings
from hermes.memory.stored import EIGHT_BITS, LARGEST, movable, narrowed, widened
from hermes.question import Span

torch.set_num_threads(1)  # a second thread beside another process is slower than none

DEVICE = torch.device("cpu" if "TRITON_INTERPRET" in os.environ else "cuda")
EPSILON = torch.finfo(EIGHT_BITS).eps / 2
"""The largest relative error of rounding."""
LEAST = 2.0**-10
"""The largest error where numbers are too small for that."""

EVERY = torch.arange(256, dtype=torch.uint8)
"""All bytes there are. Two of them are no number."""

HARD = (
    *(0.0, -0.0, 448.0, 449.0, -463.9, 464.0, 1e30, -1e30),
    *(2.0**-9, 2.0**-10, 3 * 2.0**-10, 2.0**-11, 2.0**-6, 0.0156),
    *(17.0, 18.0, 19.0, -17.0, 1.0625, 1.1875, 1e-30, -1e-30),
    *(float("inf"), float("-inf"), float("nan")),
)


def many(seed: int = 0) -> Tensor:
    """Numbers of all sizes, and those at which rounding is decided."""
    generator = torch.Generator().manual_seed(seed)
    sizes = 2.0 ** torch.randint(-14, 10, (2000,), generator=generator)
    halves = widened(EVERY[:126].view(EIGHT_BITS)) + widened(EVERY[1:127].view(EIGHT_BITS))
    ties = torch.cat((halves / 2, (halves / 2).nextafter(torch.tensor(1e9))))
    return torch.cat(
        (torch.tensor(HARD), ties, -ties, torch.randn(2000, generator=generator) * sizes)
    )


def test_numbers_are_rounded_to_the_nearest_and_the_largest_stay_the_largest() -> None:
    numbers = many()
    finite = numbers.isfinite()
    found = widened(narrowed(numbers))
    held = numbers.clamp(-LARGEST, LARGEST)
    error = (found - held).abs()
    assert (error <= (EPSILON * held.abs()).clamp_min(LEAST))[finite].all()
    assert found[~finite].isnan().all()
    assert torch.equal(found[:2], numbers[:2])
    assert found[numbers == 1e30].tolist() == [LARGEST]


def test_a_bias_is_taken_off_and_added_again() -> None:
    """Rounded together with it, keys would lose what differs between them."""
    generator = torch.Generator().manual_seed(1)
    keys = torch.randn((2, 9, 16), generator=generator)
    bias = torch.zeros((2, 1, 16))
    bias[:, 0, 3] = torch.tensor([300.0, -170.0])
    found = widened(narrowed(keys + bias, bias), bias)
    error = (found - keys - bias).abs()
    assert float(error.max()) <= EPSILON * float(keys.abs().max()) * 1.01
    together = widened(narrowed(keys + bias)) - keys - bias
    assert float(together.abs().max()) > 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_kernels_store_as_the_steps_do(dtype: torch.dtype) -> None:
    storing = pytest.importorskip("hermes.memory.storing")
    numbers = many().to(DEVICE, dtype)
    tokens = len(numbers) // (2 * 16)
    lines = numbers[: tokens * 32].view(tokens, 2, 16).transpose(0, 1)
    bias = torch.linspace(-30, 30, 32, device=DEVICE).view(2, 16)
    keys, values = torch.zeros((2, 2, tokens + 9, 16), dtype=EIGHT_BITS, device=DEVICE)
    storing.store(lines, lines, bias, keys, values, 5)
    for found, expected in (
        (keys, narrowed(lines, bias.unsqueeze(1))),
        (values, narrowed(lines)),
    ):
        there, right = (widened(x) for x in (found[:, 5:-4], expected))
        torch.testing.assert_close(there, right, atol=0, rtol=0, equal_nan=True)
        assert not movable(found)[:, :5].any(), "what lies beside is left alone"
        assert not movable(found)[:, -4:].any()
    storing.store(lines, lines, None, keys, values, 5)
    assert torch.equal(movable(keys), movable(values))


def test_kernels_read_every_byte_as_it_is() -> None:
    rotation = pytest.importorskip("hermes.memory.rotation")
    for bias in (None, torch.linspace(-300, 300, 16, device=DEVICE).view(1, 1, 1, 16)):
        keys = EVERY.to(DEVICE).view(EIGHT_BITS).view(1, 1, 16, 16)
        still = (
            torch.zeros(16, device=DEVICE),
            torch.zeros(16, dtype=torch.int64, device=DEVICE),
            1.0,
        )
        positions = torch.zeros((1, 1, 16), dtype=torch.int32, device=DEVICE)
        out = torch.zeros((1, 1, 16, 16), device=DEVICE)
        rotation.rotate_keys(keys, positions, still, out, (0, 16), None, bias)
        expected = widened(keys, bias)
        numbers = expected.isfinite()
        assert int(numbers.sum()) == 254
        assert torch.equal(out[numbers], expected[numbers])


LAYERS, HEADS, KV_HEADS, DIM, PREFIX, PER_FRAME = 10, 4, 2, 16, 3, 4
SCALE = DIM**-0.5
LAYOUTS = {1: FrameLayout.sequential(PER_FRAME), 3: FrameLayout.grid(2, 2, 2)}
CPU = torch.device("cpu")


class Rig:
    """Two memories without a model, one of which stores 8 bits. They get the same numbers.

    The numbers can be stored in 8 bits as they are: so both must do the same, to the last bit.
    """

    def __init__(self, policy: RetentionPolicy, axes: int = 1, seed: int = 0) -> None:
        self.generator, self.axes = torch.Generator().manual_seed(seed), axes
        self.bias = 60 * torch.randn((LAYERS, KV_HEADS, DIM), generator=self.generator).relu()
        half = torch.rand(DIM // 2, generator=self.generator).sort().values
        rotary = Rotary(half.repeat(2), (torch.arange(DIM // 2) % axes).repeat(2))
        config = MemoryConfig(24, 4 * PER_FRAME, 4096, 16, "eager")
        self.narrow, self.wide = (
            StreamMemory(shape(axes, stored, self.bias), rotary, config, policy)
            for stored in (EIGHT_BITS, None)
        )
        self.both, self.frame = (self.narrow, self.wide), 0
        self.commit([[memory.begin_prefix(PREFIX)] for memory in self.both])

    def noise(self, heads: int, tokens: int) -> Tensor:
        return widened(narrowed(torch.randn((heads, tokens, DIM), generator=self.generator)))

    def passed(self, rows: Sequence[Sequence[Row]]) -> list[Tensor]:
        """What each memory's rows see, in a pass for each memory."""
        passes = [PackedPass(own) for own in rows]
        tokens = sum(passes[0].sizes)
        outs: list[list[Tensor]] = [[] for _ in rows]
        for layer in range(LAYERS):
            key = self.noise(KV_HEADS, tokens) + self.bias[layer].unsqueeze(1)
            query, value = self.noise(HEADS, tokens), self.noise(KV_HEADS, tokens)
            for own, out in zip(passes, outs, strict=True):
                out.append(own.attend(layer, query[None], key[None], value[None], SCALE))
        return [torch.cat(out) for out in outs]

    def commit(self, rows: Sequence[Sequence[Row]]) -> None:
        assert torch.equal(*self.passed(rows))
        for memory, (row, *_) in zip(self.both, rows, strict=True):
            assert isinstance(row, AppendRow)
            memory.commit(row)

    def push(self, frames: int = 1) -> None:
        for _ in range(frames):
            rows: list[list[Row]] = []
            for memory in self.both:
                row = memory.begin_frames([FrameStamp(1000 * self.frame)], LAYOUTS[self.axes])
                rows.append([row, *(memory.guide([3, 5]) if memory.policy.guided else ())])
            self.commit(rows)
            self.frame += 1
            for memory in self.both:
                memory.compress()

    def asked(self, spans: Sequence[Span | None], tokens: Sequence[int] = (3, 1, 1)) -> None:
        """Questions side by side, and a few tokens of their answers."""
        with ExitStack() as opened:
            branches = [
                [opened.enter_context(memory.branch(8, span=span)) for span in spans]
                for memory in self.both
            ]
            for count in tokens:
                rows = [[branch.row(count) for branch in own] for own in branches]
                assert torch.equal(*self.passed(rows))
                for own, those in zip(branches, rows, strict=True):
                    for branch, row in zip(own, those, strict=True):
                        branch.commit(row)

    def same(self) -> None:
        """Both hold the same, in one byte or in four."""
        a, b = (memory.held.slab for memory in self.both)
        length, bias = a.length, self.bias.unsqueeze(2)
        assert a.keys.itemsize == a.values.itemsize == 1
        assert torch.equal(widened(a.keys, bias)[:, :, :length], b.keys[:, :, :length])
        assert torch.equal(widened(a.values)[:, :, :length], b.values[:, :, :length])
        for name in ("positions", "frames", "patches"):
            assert torch.equal(getattr(a, name)[..., :length], getattr(b, name)[..., :length])


def shape(axes: int, stored: torch.dtype | None, bias: Tensor | None = None) -> CacheShape:
    return CacheShape(LAYERS, KV_HEADS, DIM, axes, torch.float32, CPU, stored=stored, key_bias=bias)


NO_SUMMARY = Hermes(HermesConfig(summary="off"))


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("policy", [NO_SUMMARY, SlidingWindow()], ids=["hermes", "window"])
def test_numbers_that_8_bits_hold_are_remembered_and_read_as_in_32(
    policy: RetentionPolicy, axes: int
) -> None:
    """Frames, guidance, evictions, questions alone, side by side and about a span."""
    rig = Rig(policy, axes)
    for _ in range(3):
        rig.push(4)
        rig.same()
        last = 1000 * (rig.frame - 1)
        rig.asked([None])
        rig.asked([None, None])
        rig.asked([Span(last - 2000, last), None])


def test_a_memory_is_compressed_while_it_is_read() -> None:
    rig = Rig(NO_SUMMARY)
    rig.push(6)
    branches = [memory.branch(8) for memory in rig.both]
    rig.push(4)
    assert torch.equal(*rig.passed([[branch.row(2)] for branch in branches]))
    rig.same()


def test_readings_with_hidden_frames_are_the_same() -> None:
    rig = Rig(SlidingWindow())
    rig.push(5)
    rows = []
    for memory in rig.both:
        branch = memory.branch(8)
        rows.append([Readings(branch, 3, [[4], [2, 3]])])
    assert torch.equal(*rig.passed(rows))


@pytest.mark.parametrize("summary", ["pinned", "paper", "published_code"])
def test_summaries_are_rounded_means(summary: Summary) -> None:
    rig = Rig(Hermes(HermesConfig(summary=summary, recent_frames=0)))
    rig.push(7)
    narrow, wide = (memory.held for memory in rig.both)
    found = wide.slab.patches[:, wide.video] < 0
    assert torch.equal(found, narrow.slab.patches[:, narrow.video] < 0)
    assert found.any()
    bias = rig.bias.unsqueeze(2)
    mean = wide.slab.keys[:, :, wide.video] - bias
    error = (widened(narrow.slab.keys[:, :, narrow.video]) - mean).abs()
    allowed = (EPSILON * mean.abs()).clamp_min(LEAST) * 1.01 + 2e-5
    assert (error <= allowed)[found.unsqueeze(1).expand_as(error[..., 0])].all()


@pytest.mark.parametrize("wrong", [float("inf"), float("nan")])
@pytest.mark.parametrize("which", [1, 2])
def test_what_is_not_finite_is_found_and_what_is_large_is_not(wrong: float, which: int) -> None:
    memory = Rig(SlidingWindow()).narrow
    for number, fine in ((1e30, True), (wrong, False)):
        row = memory.begin_frames([FrameStamp(0)], LAYOUTS[1])
        for layer in range(LAYERS):
            parts = [torch.ones((heads, PER_FRAME, DIM)) for heads in (HEADS, KV_HEADS, KV_HEADS)]
            if layer == 4:
                parts[which][1, 2, 3] = number
            row.attend(layer, parts[0], parts[1], parts[2], SCALE)
        assert row.finite().tolist() == [fine, True]
        memory.abandon(row)


def test_poison_beside_what_is_held_is_not_read() -> None:
    rig = Rig(NO_SUMMARY)
    slab = rig.narrow.held.slab
    for part in (slab.keys, slab.values):
        movable(part)[:, :, slab.length :] = 0x7F
    rig.push(5)
    rig.asked([None, Span(2000, 4000)])
    rig.same()


def restored(into: StreamMemory, state: MemoryState) -> StreamMemory:
    into.restore(snapshot.decode(snapshot.encode(state), limit_bytes=1 << 22))
    return into


def test_a_snapshot_is_restored_to_the_bit_also_where_memories_store_another_type() -> None:
    rig = Rig(NO_SUMMARY)
    rig.push(7)
    states = [memory.state() for memory in rig.both]
    assert states[0].tensors["keys"].dtype == EIGHT_BITS
    for of in (0, 1):
        there = Rig(NO_SUMMARY)
        there.narrow = restored(there.narrow, states[of])
        there.wide = restored(there.wide, states[1 - of])
        there.same()
        there.frame = rig.frame
        there.push(3)
        there.asked([None])
        there.same()


def test_a_snapshot_of_other_weights_or_of_an_unknown_type_is_refused() -> None:
    rig, other = Rig(SlidingWindow()), Rig(SlidingWindow(), seed=1)
    for state in (memory.state() for memory in rig.both):
        for memory in other.both:
            with pytest.raises(SnapshotMismatch, match="other weights"):
                memory.restore(state)
    state = rig.narrow.state()
    kind = {**state.header["shape"], "stored": "float4_e2m1fn_x2"}
    with pytest.raises(SnapshotMismatch, match="stored as 'float4_e2m1fn_x2'"):
        rig.narrow.restore(MemoryState({**state.header, "shape": kind}, state.tensors))
    wide = rig.wide.state()
    with pytest.raises(SnapshotCorrupt, match="keys"):
        rig.narrow.restore(MemoryState(state.header, wide.tensors))


def test_a_memory_takes_half_the_bytes_and_rotated_keys_as_many_as_before() -> None:
    sizes = 28, 4, 128, 1, torch.bfloat16, CPU
    narrow, wide = CacheShape(*sizes, stored=EIGHT_BITS), CacheShape(*sizes)
    assert 2 * narrow.bytes_per_token == wide.bytes_per_token == 57_344
    assert narrow.rotated_bytes_per_token == wide.rotated_bytes_per_token == 28_672
    assert narrow.widest_bytes_per_token == wide.widest_bytes_per_token == 57_344
