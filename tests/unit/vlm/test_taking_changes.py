"""Memories that take in what changed, and show questions the newest frame in full."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hermes.engine import snapshot
from hermes.errors import InvalidInput, SnapshotCorrupt, SnapshotMismatch
from hermes.memory import FrameStamp, MemoryState
from hermes.memory.changes import ChangeConfig
from hermes.vlm import Arrival, VideoMemory, load, take_together
from tests.support import tiny, tiny_hub, tiny_qwen

QUESTION = "What is happening now?"
FAMILIES = ("llava_onevision", *tiny_qwen.FAMILIES)


def model_of(family: str) -> Any:
    return tiny.model() if family == "llava_onevision" else tiny_qwen.model(family)


def memory(
    family: str = "llava_onevision",
    *,
    frames: int = 6,
    every: int = 3,
    changes: ChangeConfig | None = ChangeConfig(),  # noqa: B008 - frozen
    present_frames: int = 1,
) -> VideoMemory:
    model = model_of(family)
    return VideoMemory(
        model,
        budget=frames * model.layout.tokens,
        compress_every_frames=every,
        changes=changes,
        present_frames=present_frames,
    )


def stream(cells: list[set[int]], side: int = 64) -> Tensor:
    """Pictures [n, 3, side, side]. From one to the next, only these cells of 4 x 4 change."""
    random = torch.Generator().manual_seed(7)
    picture = torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=random)
    found, cell = [], side // 4
    for changed in cells:
        picture = picture.clone()
        for place in changed:
            top, left = cell * (place // 4), cell * (place % 4)
            new = torch.randint(0, 256, (3, cell, cell), dtype=torch.uint8, generator=random)
            picture[:, top : top + cell, left : left + cell] = new
        found.append(picture)
    return torch.stack(found)


def shown(of: VideoMemory) -> Tensor:
    """Inputs of the frames that a question's branch begins with."""
    question = of.model.question(QUESTION)
    with of.branch(len(question) + 1) as branch:
        inputs = branch.opened_by(question)
    assert torch.equal(inputs[len(inputs) - len(question) :], question)
    return inputs[: len(inputs) - len(question)]


STILL: list[set[int]] = [set()] * 12


def newest_tokens(of: VideoMemory) -> dict[int, int]:
    """By place, the newest frame of which a token was taken in, if all layers hold it."""
    frames, patches = of.cache.identities()
    held: list[dict[int, int]] = []
    for layer in range(len(frames)):
        newest: dict[int, int] = {}
        for frame, patch in zip(frames[layer].tolist(), patches[layer].tolist(), strict=True):
            if 0 <= patch < 1 << 19:
                newest[patch] = max(frame, newest.get(patch, -1))
        held.append(newest)
    assert all(layer == held[0] for layer in held)
    return held[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_with_a_threshold_of_0_everything_equals_full_ingest(family: str) -> None:
    changed = memory(family, changes=ChangeConfig(threshold=0))
    # The same limits: a question needs room for the present frame, too.
    limits = replace(changed.cache.config, keep_present=False)
    full = VideoMemory(model_of(family), config=limits, compress_every_frames=3)
    pictures = tiny.pictures(16, seed=3)
    for one in (changed, full):
        one.feed(pictures)
    a, b = changed.state().tensors, full.state().tensors
    for name in ("keys", "values", "positions", "frames", "patches"):
        assert torch.equal(a[name], b[name]), name
    assert changed.coverage() == full.coverage()
    assert changed.ask(QUESTION, 6) == full.ask(QUESTION, 6)
    assert changed.intake.unchanged == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_still_camera_costs_one_token_a_frame(family: str) -> None:
    model = model_of(family)
    still = memory(family)
    pairs = model.pictures_per_frame
    still.feed(stream(STILL[:5]).repeat_interleave(pairs, dim=0))
    places = len(range(model.layout.tokens)[model.layout.picture])
    assert still.intake.unchanged == 4 * (places - 1), "the text of a frame says when it was"
    assert still.coverage().frames_seen == 5


def test_a_question_sees_the_newest_frame_in_full() -> None:
    """The same tokens, after those that are held: as a memory that took them in would show them."""
    still = memory()
    pictures = stream([set(), set(), {3}])
    still.feed(pictures[:2])
    before = still.cache.video_tokens
    opening = shown(still)
    assert len(opening) == still.present_tokens == 16
    torch.testing.assert_close(opening, tiny.model().encode(pictures[1:2])[0])
    still.ask(QUESTION, 2)
    assert still.cache.video_tokens == before, "a question leaves no trace"


def test_a_frame_that_was_taken_in_whole_is_not_shown_twice() -> None:
    cut = memory()
    cut.feed(stream([set(), set(range(16))]))
    assert cut.intake.taken == 32
    assert len(shown(cut)) == cut.present_tokens == 0


def test_no_present_frames_is_the_cheapest() -> None:
    still = memory(present_frames=0)
    still.feed(stream(STILL[:3]))
    assert len(shown(still)) == 0


def test_two_present_frames() -> None:
    still = memory(present_frames=2)
    pictures = stream([set(), {1}, {2}])
    still.feed(pictures)
    both = tiny.model().encode(pictures[1:])
    torch.testing.assert_close(shown(still), torch.cat(list(both)))


places = st.sets(st.integers(0, 15), max_size=6)


@settings(max_examples=12, deadline=None)
@given(st.lists(places, min_size=10, max_size=30), st.integers(2, 4))
def test_the_present_picture_is_never_evicted(script: list[set[int]], every: int) -> None:
    """Whatever happens: order, identity, budget, and the newest token of each place."""
    made = memory(frames=3, every=every)
    tokens = made.model.layout.tokens
    for number, picture in enumerate(stream(script)):
        made.take(picture, FrameStamp(1000 * number))
        assert made.cache.video_tokens <= (3 + every) * tokens
        frames, patches = made.cache.identities()
        assert (frames.diff(dim=1) >= 0).all(), "tokens stay in stream order"
        newest = newest_tokens(made)
        assert set(newest) == set(range(tokens))
        assert max(newest.values()) == number, "time passes: each frame has a token"
        coverage = made.coverage()
        assert coverage.frames_seen == number + 1
        assert coverage.end_ms == 1000 * number
        assert coverage.whole_since_ms is not None, "the present is held whole"
        real = patches >= 0
        codes = frames * (1 << 32) + patches
        for layer in range(len(codes)):
            own = codes[layer][real[layer]]
            assert len(own.unique()) == len(own)
    positions = made.state().tensors["positions"]
    assert (positions.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_times_of_frames_do_not_push_the_present_out(family: str) -> None:
    """Nearly each place is of another frame, and each frame has its own time as text."""
    model = model_of(family)
    made = VideoMemory(
        model,
        budget=2 * model.most_frame_tokens + 1,
        compress_every_frames=1,
        changes=ChangeConfig(),
    )
    script = [set(), *({n % 16} for n in range(30))]
    for number, picture in enumerate(stream(script).repeat_interleave(2, dim=0)):
        made.take(picture, FrameStamp(500 * number))
        if number:
            assert set(newest_tokens(made)) == set(range(12))
            assert made.coverage().whole_since_ms is not None


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_a_picture_that_waits_while_changes_are_taken_in(family: str) -> None:
    """Over gaps and new shapes: a question sees it last, and so does a restored memory."""
    model = hub_model(family)
    one, other = (
        VideoMemory(model, budget=300, compress_every_frames=2, changes=ChangeConfig())
        for _ in range(2)
    )
    wide, tall = stream([set(), {1}, {1, 2}, {3}, set()], 96), stream([{5}, {6}, {6}], 128)
    shapes = [*wide, *tall[:, :, :, :72], *wide[:2]]
    for number, picture in enumerate(shapes):
        stamp, after_gap = FrameStamp(700 * number, gap="dark"), number in (3, 6)
        one.take(picture, stamp, after_gap=after_gap)
        snapshot.restore(other, snapshot.encode(one.state()))
        assert other.coverage() == one.coverage()
        question = model.question(QUESTION)
        with one.branch(len(question)) as ours, other.branch(len(question)) as theirs:
            assert ours.coverage.end_ms == stamp.capture_ms
            assert ours.coverage == theirs.coverage, "with the reason of a gap before it"
            inputs = ours.opened_by(question)
            assert torch.equal(inputs, theirs.opened_by(question))
            positions = ours.positions(len(inputs))
            assert torch.equal(positions, theirs.positions(len(inputs)))
            shown_tokens = len(inputs) - len(question)
            assert shown_tokens <= one.present_tokens
            assert (positions[0].diff() >= 0).all(), "time does not go back"
            assert (positions[:, shown_tokens:].diff(dim=1) == 1).all()


@cache
def hub_model(family: str) -> Any:
    return load(tiny_hub.folder(family), frame_tokens=20)


def test_coverage_says_from_when_on_pictures_are_whole() -> None:
    made = memory(frames=3, every=2)
    made.feed(stream([set(), *({n % 16, (n + 5) % 16} for n in range(60))]))
    coverage = made.coverage()
    assert coverage.whole_since_ms is not None
    assert 0 < coverage.whole_since_ms <= 60_000
    long = memory(frames=20, every=2)
    long.feed(stream(STILL))
    assert long.coverage().whole_since_ms == 0, "unchanged places are represented"


def arrivals(of: list[VideoMemory], pictures: list[Tensor]) -> list[Arrival]:
    return [
        Arrival(one, own[index], FrameStamp(1000 * index))
        for index in range(len(pictures[0]))
        for one, own in zip(of, pictures, strict=True)
    ]


def same(one: VideoMemory, other: VideoMemory) -> None:
    for ours, theirs in zip(one.cache.identities(), other.cache.identities(), strict=True):
        assert torch.equal(ours, theirs)
    a, b = one.state().tensors, other.state().tensors
    assert torch.equal(a["positions"], b["positions"])
    for name in ("keys", "values", "picture_reference", "picture_noise"):
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-4)
    assert one.coverage() == other.coverage()
    assert one.ask(QUESTION, 6) == other.ask(QUESTION, 6)


def test_cameras_together_equal_cameras_one_by_one() -> None:
    scripts: list[list[set[int]]] = [
        [set(), *({(n * step) % 16} for n in range(1, 12))] for step in (1, 3, 5)
    ]
    pictures = [stream(script) for script in scripts]
    together, alone = [memory() for _ in scripts], [memory() for _ in scripts]
    assert all(not isinstance(o, Exception) for o in take_together(arrivals(together, pictures)))
    for item in arrivals(alone, pictures):
        item.memory.take(item.picture, item.stamp)
    for one, other in zip(together, alone, strict=True):
        same(one, other)
        assert one.intake == other.intake


def test_a_pass_that_fails_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed, hurt = memory(), memory()
    pictures = stream([set(), {1}, {2, 3}, {4}])
    undisturbed.feed(pictures)
    hurt.feed(pictures[:2])
    forward = tiny.model().forward

    def failing(*_: object) -> Tensor:
        raise RuntimeError("no room")

    monkeypatch.setattr(tiny.model(), "forward", failing)
    with pytest.raises(RuntimeError):
        hurt.take(pictures[2], FrameStamp(2000))
    monkeypatch.setattr(tiny.model(), "forward", forward)
    for index in (2, 3):
        hurt.take(pictures[index], FrameStamp(1000 * index))
    same(undisturbed, hurt)


@pytest.mark.parametrize("family", ["llava_onevision", "qwen3_vl"])
@pytest.mark.parametrize("already", [0, 1, 5, 9])
def test_a_restored_memory_continues_bit_equally(already: int, family: str) -> None:
    pairs = model_of(family).pictures_per_frame
    script = [set(), *({n % 16, (n * n) % 16} for n in range(1, 14))]
    pictures = stream(script).repeat_interleave(pairs, dim=0)
    original = memory(family)
    if already:
        original.feed(pictures[: already * pairs])
    data = snapshot.encode(original.state())
    assert len(data) <= snapshot.limit_of(original)
    restored = memory(family)
    snapshot.restore(restored, data)
    for one in (original, restored):
        one.feed(pictures[already * pairs :])
    a, b = original.state(), restored.state()
    assert a.header == b.header
    for name, tensor in a.tensors.items():
        assert torch.equal(tensor, b.tensors[name]), name
    assert original.ask(QUESTION, 6) == restored.ask(QUESTION, 6)


def test_a_snapshot_of_full_ingest_is_refused_by_name() -> None:
    full, changed = memory(changes=None), memory()
    full.feed(stream(STILL[:3]))
    changed.feed(stream(STILL[:3]))
    with pytest.raises(SnapshotMismatch, match=r"keep_present|present_frames|position_reserve"):
        changed.restore(full.state())
    with pytest.raises(SnapshotMismatch, match=r"keep_present|present_frames|position_reserve"):
        full.restore(changed.state())


@pytest.mark.parametrize("damage", ["missing", "shape", "nan", "places", "header"])
def test_a_damaged_picture_is_refused_and_changes_nothing(damage: str) -> None:
    made = memory()
    made.feed(stream(STILL[:3]))
    state = made.state()
    tensors, header = dict(state.tensors), dict(state.header)
    if damage == "missing":
        del tensors["picture_noise"]
    elif damage == "shape":
        tensors["picture_newest"] = tensors["picture_newest"][:, 1:].contiguous()
    elif damage == "nan":
        tensors["picture_reference"] = tensors["picture_reference"] * float("nan")
    elif damage == "places":
        tensors["picture_taken_ms"] = torch.zeros(10_000, dtype=torch.int64)
    else:
        picture = dict(header["video"]["picture"], frames="all")
        header["video"] = dict(header["video"], picture=picture)
    other = memory()
    other.feed(stream(STILL[:2]))
    before = other.state()
    with pytest.raises(SnapshotCorrupt):
        other.restore(MemoryState(header, tensors))
    after = other.state()
    assert all(torch.equal(after.tensors[name], part) for name, part in before.tensors.items())


@pytest.mark.parametrize("policy", ["sliding-window", "uniform", "attention-sinks"])
def test_policies_that_do_not_keep_the_present_are_refused_by_name(policy: str) -> None:
    with pytest.raises(InvalidInput, match=policy) as caught:
        VideoMemory(tiny.model(), policy, budget=96, changes=ChangeConfig())
    assert caught.value.field == "changes"


def test_memory_is_constant_however_long_the_stream() -> None:
    made = memory(frames=4, every=3)
    picture = stream([set()])[0]
    for number in range(120):
        made.take(picture, FrameStamp(1000 * number))
        assert made.cache.video_tokens <= 7 * made.model.layout.tokens
    assert len(snapshot.encode(made.state())) <= snapshot.limit_of(made)
