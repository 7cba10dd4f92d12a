"""Time follows capture: positions of Qwen2.5-VL, and the times that Qwen3-VL reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.engine import snapshot
from hermes.memory import FrameStamp, MemoryConfig
from hermes.memory.frame_layout import FIRST_TEXT, FIRST_TIME
from hermes.vlm import VideoMemory
from hermes.vlm.encoded import EncodedFrame, FrameTime
from tests.support import tiny_qwen
from tests.support.examples import at_most

PLACES = tiny_qwen.GRID[0] * tiny_qwen.GRID[1]
EPOCH_MS = 1_790_000_000_000


def memory(family: str, **options: Any) -> VideoMemory:
    return VideoMemory(tiny_qwen.model(family), "sliding-window", **({"budget": 2000} | options))


def fed(family: str, times: Sequence[int], **options: Any) -> VideoMemory:
    made = memory(family, **options)
    pictures = tiny_qwen.pictures(family, (len(times) + 1) // 2)[: len(times)]
    made.feed(pictures, [EPOCH_MS + at for at in times])
    return made


def steps(of: VideoMemory) -> list[int]:
    """Positions in time of all frames, from that of the first."""
    held = of.cache.held
    found = held.slab.positions[0, 0, held.prefix_length : held.slab.length : PLACES]
    return [int(at) - int(found[0]) for at in found]


def test_a_gap_has_its_true_length() -> None:
    assert steps(fed("qwen2_5_vl", [0, 1_000, 600_000, 601_000])) == [0, 1_200]


@pytest.mark.parametrize(
    ("rate", "expected"),
    # As transformers computes them: the whole part of frame * tokens_per_second * 2 / rate.
    [
        (0.5, [0, 8, 16, 24]),
        (1, [0, 4, 8, 12]),
        (2, [0, 2, 4, 6]),
        (3, [0, 1, 2, 4]),
        (4, [0, 1, 2, 3]),
        (8, [0, 0, 1, 1]),
    ],
)
@pytest.mark.parametrize("late", [0, 9, -9])
def test_any_rate_has_the_stock_positions(rate: float, expected: list[int], late: int) -> None:
    """However exact the camera is: its pictures come a few milliseconds early or late."""
    times = [round(1000 * at / rate) for at in range(8)]
    times[2:] = [at + late for at in times[2:]]
    assert steps(fed("qwen2_5_vl", times)) == expected


@settings(max_examples=at_most(200), deadline=None)
@given(rate=st.floats(0.05, 60), frames=st.integers(1, 100_000))
def test_no_error_adds_up(rate: float, frames: int) -> None:
    model: Any = tiny_qwen.model("qwen2_5_vl")
    plain = EncodedFrame(torch.zeros(PLACES, 1), model.layout)
    now, before = (round(2000 * at / rate) for at in (frames, frames - 1))
    timed = model.timed(plain, FrameTime((now,), before))
    first = model.timed(plain, FrameTime((before,), 0))
    assert abs(first.layout.lead + timed.layout.lead - now / 500) <= 1.06


def test_of_a_file_the_time_within_it_counts() -> None:
    """However fast it is read."""
    made = memory("qwen2_5_vl")
    for at, picture in enumerate(tiny_qwen.pictures("qwen2_5_vl", 3)):
        made.take(picture, FrameStamp(EPOCH_MS + at, 5_000 + 1_000 * at))
    assert steps(made) == [0, 4, 8]


def test_a_clock_that_goes_back_stands_still() -> None:
    assert steps(fed("qwen2_5_vl", [5_000, 6_000, 1_000, 2_000, 7_000, 8_000])) == [0, 0, 4]


def test_long_gaps_are_shortened_and_never_leave_the_models_positions() -> None:
    config = MemoryConfig(4 * PLACES, 4 * PLACES, 1_600, 100)
    made, day = memory("qwen2_5_vl", config=config, compress_every_frames=4), 86_400_000
    pictures = tiny_qwen.pictures("qwen2_5_vl", 1)
    shortened = 0
    for number in range(30):
        at = EPOCH_MS + number * day
        before = made.cache.next_position
        made.feed(pictures, [at, at + 1_000], after_gap=number > 0)
        assert made.cache.next_position + 100 <= 1_600
        shortened += made.cache.next_position - before == 1_600 // 4
    assert shortened >= 5
    assert made.coverage().frames_seen == 30
    time = made.cache.held.slab.positions[0, 0, made.cache.prefix_length : made.cache.length]
    assert bool((time.diff() >= 0).all())


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_times_go_on_after_a_restore(family: str) -> None:
    times = [0, 900, 2_100, 3_000, 8_000, 9_000]
    whole, first, second = fed(family, times), fed(family, times[:3]), memory(family)
    snapshot.restore(second, snapshot.encode(first.state()))
    second.feed(tiny_qwen.pictures(family, 3)[3:], [EPOCH_MS + at for at in times[3:]])
    ours, theirs = whole.state(), second.state()
    assert ours.header == theirs.header
    assert torch.equal(ours.tensors["positions"], theirs.tensors["positions"])


@pytest.mark.parametrize(
    ("times", "text"),
    # As the processor of transformers writes them: the mean of two pictures, to a tenth.
    [
        ((0, 500), "<0.2 seconds>"),
        ((0, 1_000), "<0.5 seconds>"),
        ((7_000, 8_000), "<7.5 seconds>"),
        ((3_600_000, 3_600_333), "<3600.2 seconds>"),
        ((9, 9), "<0.0 seconds>"),
    ],
)
def test_a_frame_of_qwen3_begins_with_its_time(times: tuple[int, int], text: str) -> None:
    model: Any = tiny_qwen.model("qwen3_vl")
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    plain = EncodedFrame(model.encode(tiny_qwen.pictures("qwen3_vl", 1))[0], model.layout)
    timed = model.timed(plain, FrameTime(times))
    assert torch.equal(timed.features, torch.cat((model.embed(ids), plain.features)))
    layout, count = timed.layout, len(ids)
    assert layout.tokens == len(timed.features) <= model.most_frame_tokens
    assert layout.patches[:count].tolist() == list(range(FIRST_TIME, FIRST_TIME + count))
    assert layout.patches[count:].tolist() == [FIRST_TEXT, *range(PLACES), FIRST_TEXT + 1]
    assert layout.offsets[:, :count].tolist() == [list(range(count))] * 3
    assert torch.equal(layout.offsets[:, count:], plain.layout.offsets + count)
    assert layout.advance == tuple(step + count for step in plain.layout.advance)


def test_times_of_qwen3_count_from_the_first_picture_of_the_stream() -> None:
    made = fed("qwen3_vl", [0, 500, 60_000, 60_500])
    model: Any = made.model
    lengths = [
        len(model.tokenizer(f"<{at} seconds>", add_special_tokens=False)["input_ids"])
        for at in ("0.2", "60.2")
    ]
    assert list(made.cache.taken().values()) == [PLACES + 2 + length for length in lengths]
