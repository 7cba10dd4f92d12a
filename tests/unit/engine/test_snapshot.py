"""A snapshot is restored bit-equal, or refused with a reason."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import torch as safetensors
from torch import Tensor

from hermes.engine import snapshot
from hermes.errors import SnapshotCorrupt, SnapshotMismatch, SnapshotVersion
from hermes.memory import (
    POLICIES,
    FrameStamp,
    Hermes,
    HermesConfig,
    MemoryState,
    PackedPass,
    Row,
    StreamMemory,
)
from hermes.vlm import Between, VideoMemory, VideoModel, load
from tests.support import tiny
from tests.support.slow import slow
from tests.support.snapshots import LAYOUT, SMALL, small

QUESTION = "What is happening now?"
FIELDS = ("keys", "values", "positions", "frames", "patches")


def memory(policy: str = "hermes", budget: int = 96, every: int = 3) -> VideoMemory:
    return VideoMemory(tiny.model(), policy, budget=budget, compress_every_frames=every)


def fed(policy: str = "hermes", frames: int = 10) -> VideoMemory:
    made = memory(policy)
    made.feed(tiny.pictures(frames, seed=3))
    return made


def same_bits(one: VideoMemory, other: VideoMemory) -> None:
    a, b = one.cache.state(), other.cache.state()
    assert a.header == b.header
    for name, tensor in a.tensors.items():
        assert torch.equal(tensor, b.tensors[name]), name
    assert one.coverage() == other.coverage()
    logits = [tiny.answer(m.cache, QUESTION, 4)[1] for m in (one, other)]
    assert torch.equal(*logits)


@pytest.mark.parametrize("policy", slow(sorted(POLICIES), "attention-sinks", "hermes-paper"))
def test_a_restored_memory_continues_bit_equally(policy: str) -> None:
    original = fed(policy)
    data = snapshot.encode(original.state())
    restored = memory(policy)
    snapshot.restore(restored, data)
    same_bits(original, restored)
    for one in (original, restored):
        one.feed(tiny.pictures(6, seed=8))
        one.feed(tiny.pictures(3, seed=9), [70_000, 71_000, 72_000], after_gap=True)
    same_bits(original, restored)
    assert restored.coverage().gaps


@pytest.mark.parametrize("frames", [0, 1, 5, 6])
def test_a_snapshot_can_be_taken_at_any_moment(frames: int) -> None:
    original = memory()
    if frames:
        original.feed(tiny.pictures(frames))
    restored = fed()  # its own frames are replaced
    snapshot.restore(restored, snapshot.encode(original.state()))
    same_bits(original, restored)


def test_saving_does_not_disturb_an_open_answer() -> None:
    quiet, saved = fed(), fed()
    expected = quiet.ask(QUESTION, 6)
    words = saved.answer(QUESTION, 6)
    first = next(words)
    data = snapshot.encode(saved.state())
    assert first + "".join(words) == expected
    restored = memory()
    open_words = restored.answer(QUESTION, 6)
    before = next(open_words)  # a branch of the memory from before the restore
    snapshot.restore(restored, data)
    assert before + "".join(open_words) == memory().ask(QUESTION, 6)
    assert restored.ask(QUESTION, 6) == expected


def test_a_snapshot_survives_a_file(tmp_path: Path) -> None:
    original = fed()
    path = tmp_path / "lobby.safetensors"
    path.write_bytes(snapshot.encode(original.state()))
    assert path.stat().st_size <= snapshot.limit_of(original)
    restored = memory()
    snapshot.restore(restored, path.read_bytes())
    same_bits(original, restored)


def test_a_snapshot_that_is_too_large_is_not_parsed() -> None:
    with pytest.raises(SnapshotMismatch, match="at most"):
        snapshot.decode(SMALL, limit_bytes=len(SMALL) - 1)
    other = memory()
    with pytest.raises(SnapshotMismatch, match="at most"):
        snapshot.restore(other, bytes(snapshot.limit_of(other) + 1))


def test_an_unpaired_picture_and_the_gap_before_it_are_restored() -> None:
    model = tiny.model()

    class Pairing:
        pictures_per_frame = 2

        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def encode(
            self, pictures: Sequence[Tensor] | Tensor, between: Between | None = None
        ) -> list[Tensor]:
            return model.encode(pictures[1::2])

    original = VideoMemory(Pairing(), budget=96)
    frames = tiny.pictures(5)
    original.feed(frames[:2])
    original.feed(frames[2:3], [9_000], after_gap=True)
    restored = VideoMemory(Pairing(), budget=96)
    snapshot.restore(restored, snapshot.encode(original.state()))
    for one in (original, restored):
        assert one.coverage().frames == 1
        one.feed(frames[3:4], [10_000])
        assert one.coverage().frames == 2
        assert one.coverage().gaps == ((1000, 10_000),)
    same_bits(original, restored)


@pytest.mark.parametrize(
    "pictures",
    [
        torch.zeros(1, 3, 4, 4, dtype=torch.uint8),
        torch.zeros(2, 3, 32, 32, dtype=torch.uint8),
        torch.zeros(1, 3, 32, 32),
        torch.zeros(3, dtype=torch.uint8),
    ],
    ids=["size", "too many", "floats", "no pictures"],
)
def test_impossible_unpaired_pictures_are_refused(pictures: Tensor) -> None:
    state = fed(frames=2).state()
    forged = MemoryState(state.header, {**state.tensors, "unpaired": pictures})
    other = memory()
    before = other.state()
    with pytest.raises(SnapshotCorrupt, match="that wait for the rest"):
        snapshot.restore(other, snapshot.encode(forged))
    assert other.state().header == before.header


def test_media_times_are_restored() -> None:
    original = memory()
    for index, picture in enumerate(tiny.pictures(3)):
        stamp = FrameStamp(-5_000 + index, None if index == 1 else index * 40)
        original.take(picture, stamp)
    restored = memory()
    snapshot.restore(restored, snapshot.encode(original.state()))
    assert restored.cache.stamps() == original.cache.stamps()


def test_a_lost_memory_stays_reported_and_older_snapshots_restore() -> None:
    original = memory()
    original.mark_lost(5_000)
    original.feed(tiny.pictures(2), [9_000, 10_000])
    restored = memory()
    snapshot.restore(restored, snapshot.encode(original.state()))
    same_bits(original, restored)
    assert restored.coverage().lost == (5_000, 9_000)
    state = original.state()
    older = {name: value for name, value in state.header.items() if name != "lost"}
    restored.restore(MemoryState(older, state.tensors))
    assert restored.coverage().lost is None
    assert restored.coverage().frames == 2


def test_reasons_of_gaps_are_restored_and_older_snapshots_have_none() -> None:
    original = memory()
    for index, picture in enumerate(tiny.pictures(4)):
        stamp = FrameStamp(1_000 * index, gap="dropped" if index == 2 else "")
        original.take(picture, stamp, after_gap=index >= 2)
    reasons = original.coverage().gap_reasons
    assert reasons == ("dropped", "")
    restored = memory()
    snapshot.restore(restored, snapshot.encode(original.state()))
    assert restored.coverage() == original.coverage()
    state = original.state()
    older = {name: value for name, value in state.header.items() if name != "gap_reasons"}
    restored.restore(MemoryState(older, state.tensors))
    assert restored.coverage().gap_reasons == ("", "")
    for forged in (["dropped"], ["dropped", 7], ["dropped", "A B"], "dropped"):
        with pytest.raises(SnapshotCorrupt, match="gap_reasons"):
            restored.restore(MemoryState({**state.header, "gap_reasons": forged}, state.tensors))


# -- of something else ---------------------------------------------------------


@dataclass
class Renamed:
    """The tiny model with something changed."""

    changes: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.changes.get(name, getattr(tiny.model(), name))


@functools.cache
def half() -> VideoModel:
    return load(tiny.folder(), dtype=torch.bfloat16)


def other_prefix() -> Tensor:
    return tiny.model().prefix().flip(0)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (lambda: memory("hermes-paper"), r"policy.name = 'hermes'; here it is 'hermes-paper'"),
        (
            lambda: VideoMemory(
                tiny.model(),
                Hermes(HermesConfig(recent_frames=1)),
                budget=96,
                compress_every_frames=3,
            ),
            r"policy.recent_frames = 2; here it is 1",
        ),
        (lambda: memory(budget=97), r"config.budget = 96; here it is 97"),
        (lambda: memory(every=4), r"compress_every_frames = 3; here it is 4"),
        (lambda: model_with(name="other"), r"model.name = .*; here it is 'other'"),
        (lambda: model_with(prefix=other_prefix), "other weights"),
        (lambda: model_with(prefix=lambda: tiny.model().prefix()[1:]), "another template"),
        (
            lambda: VideoMemory(half(), budget=96, compress_every_frames=3),
            r"shape.dtype = 'float32'; here it is 'bfloat16'",
        ),
    ],
)
def test_a_snapshot_of_something_else_is_refused(other: Any, reason: str) -> None:
    data = snapshot.encode(fed(frames=4).state())
    refusing: VideoMemory = other()
    before = refusing.cache.state()
    with pytest.raises(SnapshotMismatch, match=reason):
        snapshot.restore(refusing, data)
    assert refusing.cache.state().header == before.header
    assert torch.equal(refusing.cache.state().tensors["keys"], before.tensors["keys"])


def model_with(**changes: Any) -> VideoMemory:
    return VideoMemory(Renamed(changes), budget=96, compress_every_frames=3)


def test_a_snapshot_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    state = fed(frames=1).state()
    monkeypatch.setattr(snapshot, "FORMAT", 1)
    data = snapshot.encode(state)
    monkeypatch.undo()
    with pytest.raises(SnapshotVersion, match="format 1; this build reads 4"):
        snapshot.restore(memory(), data)


def with_tensor(state: MemoryState) -> MemoryState:
    return MemoryState(state.header, state.tensors | {"colours": torch.zeros(1)})


def with_setting(state: MemoryState) -> MemoryState:
    policy = state.header["policy"] | {"patience": 2}
    return MemoryState(state.header | {"policy": policy}, state.tensors)


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (with_tensor, r"later version wrote the snapshot: .*\['colours'\]"),
        (with_setting, r"policy.patience = 2; here it is None"),
    ],
)
def test_what_a_later_version_added_is_named_and_not_called_damage(
    later: Callable[[MemoryState], MemoryState], reason: str
) -> None:
    with pytest.raises(SnapshotVersion, match=reason):
        snapshot.restore(memory(), snapshot.encode(later(fed(frames=1).state())))


def test_the_metadata_match_the_format() -> None:
    length = int.from_bytes(SMALL[:8], "little")
    metadata = json.loads(SMALL[8 : 8 + length])["__metadata__"]
    assert sorted(metadata) == ["checksum", "header"]
    header = json.loads(metadata["header"])
    assert header["format"] == 4
    assert header["policy"] == {"name": "sliding-window", "guided": False}
    assert safetensors.load(SMALL).keys() == {*FIELDS, "stamps", "gaps"}


def test_snapshots_of_earlier_releases_say_nothing_of_guidance() -> None:
    """They are of memories that a forward pass guided, and are restored into those alone."""
    assert "guidance" not in fed("hermes", frames=1).state().header["policy"]
    published = fed("hermes-published-code", frames=1).state().header["policy"]
    assert published["guidance"] == "embeddings"


@torch.inference_mode()
def test_unused_guidance_is_restored() -> None:
    model = tiny.model()

    def half_way() -> StreamMemory:
        tiny_one = fed(frames=6).cache
        features = model.encode(tiny.pictures(1, seed=99))[0]
        prompts = [model.question("one"), model.question("two or more")]
        row = tiny_one.begin_frames([FrameStamp(77_000)], model.layout)
        rows: list[Row] = [row, *tiny_one.guide([len(p) for p in prompts])]
        model.forward(torch.cat((features, *prompts)), PackedPass(rows))
        tiny_one.commit(row)
        return tiny_one

    original, restored = half_way(), memory().cache
    restored.restore(original.state())
    assert original.compress() == restored.compress() is not None
    for name, tensor in original.state().tensors.items():
        assert torch.equal(tensor, restored.state().tensors[name]), name


def test_no_state_is_captured_while_a_row_is_open() -> None:
    made = small()
    row = made.begin_frames([FrameStamp(50)], LAYOUT)
    for call in (made.state, lambda: made.restore(snapshot.decode(SMALL, limit_bytes=10_000))):
        with pytest.raises(RuntimeError, match="row is open"):
            call()
    made.abandon(row)
    made.state()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_snapshot_is_restored_onto_another_device() -> None:
    original = fed()
    there = VideoMemory(
        load(tiny.folder(), device="cuda", dtype=torch.float32), budget=96, compress_every_frames=3
    )
    snapshot.restore(there, snapshot.encode(original.state()))
    assert there.cache.shape.device.type == "cuda"
    for name, tensor in original.cache.state().tensors.items():
        assert torch.equal(tensor, there.cache.state().tensors[name]), name
    there.feed(tiny.pictures(4, seed=5))
    assert there.ask(QUESTION, 4)
