"""An engine whose memories take in what changed: as the library does, and bit-equal elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from hermes.engine import Batch, EngineConfig, FrameInput
from hermes.errors import SnapshotMismatch
from hermes.memory import ChangeConfig, FrameStamp
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_engine import Observer, Sink, cursor_of, wait_for

QUESTION = "What now?"
CONFIG = EngineConfig(
    budget_tokens=96, compress_every_frames=3, max_cameras=3, max_question_tokens=64,
    max_answer_tokens=40, ingest="changes",
)  # fmt: skip
TOKENS = 16


def stream(seed: int, frames: int) -> Tensor:
    """Pictures of a still camera in which one corner changes from frame to frame."""
    found = tiny.pictures(1, seed=seed).repeat(frames, 1, 1, 1)
    found[:, :, :16, :16] = tiny.pictures(frames, seed=1000 + seed, side=16)
    return found


def offer(engine: NamedEngine, camera: str, pictures: Tensor, first: int = 0) -> None:
    """One log entry a picture; the cursor is the picture's number."""
    for number, picture in enumerate(pictures[first:], first):
        wait_for(lambda: engine.room(camera) > 0)
        engine.offer(
            camera, Batch([FrameInput(picture, FrameStamp(1000 * number))], f"{number:06}")
        )


def seen(engine: NamedEngine, camera: str, frames: int) -> None:
    wait_for(lambda: cursor_of(engine, camera) == f"{frames - 1:06}")


def in_library(pictures: Tensor) -> VideoMemory:
    memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=3, changes=ChangeConfig())
    memory.feed(pictures)
    return memory


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
def engine(observer: Observer) -> Iterator[NamedEngine]:
    made = NamedEngine(tiny.model(), CONFIG, observer)
    made.start()
    yield made
    made.stop()


def test_the_engine_answers_as_the_library_does(engine: NamedEngine, observer: Observer) -> None:
    """Batched with other cameras' answers, with frames coming in, of which the question waits for
    the last.
    """
    pictures = {camera: stream(seed, 9) for seed, camera in enumerate("abc")}
    sinks = {camera: Sink() for camera in "abc"}
    for camera in sinks:
        engine.open(camera)
        offer(engine, camera, pictures[camera][:5])
    for camera, sink in sinks.items():
        engine.ask(camera, QUESTION, sink, max_tokens=8, ready=lambda cursor: cursor >= "000008")
        assert not sink.ended.is_set()
        offer(engine, camera, pictures[camera], 5)
    for camera, sink in sinks.items():
        assert sink.ended.wait(20)
        assert sink.result is not None
        assert sink.result.coverage.frames_seen == 9
        library = in_library(pictures[camera])
        assert sink.text == library.ask(QUESTION, 8)
        intake = library.intake
        assert observer.tokens[camera, "taken"] == intake.taken < 9 * TOKENS
        assert observer.tokens[camera, "unchanged"] == intake.unchanged == 9 * TOKENS - intake.taken
        report = engine.report(camera)
        assert report.taken == pytest.approx(intake.ratio)
        assert 0 < report.taken < 1
        assert report.change < 0.5


def test_a_scene_cut_is_taken_in_whole(engine: NamedEngine, observer: Observer) -> None:
    engine.open("a")
    offer(engine, "a", torch.cat((stream(1, 3), stream(2, 1))))
    seen(engine, "a", 4)
    before = in_library(stream(1, 3)).intake.taken
    assert observer.tokens["a", "taken"] == before + TOKENS
    assert engine.report("a").change > 0.5


@pytest.mark.parametrize("already", [4, 7])
def test_a_memory_handed_over_to_another_engine_continues_bit_equally(
    engine: NamedEngine, already: int
) -> None:
    other = NamedEngine(tiny.model(), CONFIG, Observer())
    other.start()
    try:
        pictures = stream(3, 12)
        engine.open("a")
        other.open("a")
        offer(engine, "a", pictures[:already])
        seen(engine, "a", already)
        other.restore("a", engine.snapshot("a").result(20)).result(20)
        for each in (engine, other):
            for number in range(already, 12):  # one by one: passes are then the same
                offer(each, "a", pictures[: number + 1], number)
                seen(each, "a", number + 1)
        one, two = (each.snapshot("a").result(20) for each in (engine, other))
        assert one.cursor == two.cursor == "000011"
        assert one.state.header == two.state.header
        assert one.state.tensors.keys() == two.state.tensors.keys()
        assert any(name.startswith("picture_") for name in one.state.tensors)
        for name, tensor in one.state.tensors.items():
            assert torch.equal(tensor, two.state.tensors[name]), name
    finally:
        other.stop()


def test_an_engine_that_takes_in_all_refuses_such_a_snapshot_by_name(engine: NamedEngine) -> None:
    full = NamedEngine(
        tiny.model(),
        EngineConfig(budget_tokens=96, compress_every_frames=3, ingest="full"),
        Observer(),
    )
    full.start()
    try:
        engine.open("a")
        full.open("a")
        offer(engine, "a", stream(3, 2))
        seen(engine, "a", 2)
        with pytest.raises(SnapshotMismatch, match=r"keep_present|present_frames|position_reserve"):
            full.restore("a", engine.snapshot("a").result(20)).result(20)
    finally:
        full.stop()


@pytest.mark.parametrize("ingest", ["changes", "full"])
def test_warm_up_runs_a_question_as_long_as_one_with_the_present_frame(
    ingest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    ask = VideoMemory.ask

    def noted(memory: VideoMemory, question: str, max_tokens: int = 256) -> str:
        asked.append(len(memory.model.question(question)))
        assert memory.intake.unchanged == 0
        return ask(memory, question, max_tokens)

    monkeypatch.setattr(VideoMemory, "ask", noted)
    config = EngineConfig(
        budget_tokens=96, compress_every_frames=3, max_cameras=2, ingest=ingest,  # type: ignore[arg-type]
        present_frames=2,
    )  # fmt: skip
    engine = NamedEngine(tiny.model(), config, Observer())
    engine.warm_up()
    assert engine.capacity == 2
    plain = len(tiny.model().question("What is there?"))
    assert asked[0] - plain >= (2 * TOKENS if ingest == "changes" else 0)
    assert asked[0] - plain < 4 * TOKENS


@pytest.mark.parametrize(
    ("ingest", "policy", "changes"),
    [
        ("auto", "hermes", True),
        ("auto", "hermes-paper", False),
        ("auto", "sliding-window", False),
        ("full", "hermes", False),
        ("changes", "hermes", True),
    ],
)
def test_auto_takes_in_changes_where_the_policy_keeps_the_present(
    ingest: str, policy: str, changes: bool
) -> None:
    config = EngineConfig(ingest=ingest, policy=policy)  # type: ignore[arg-type]
    assert (config.changes is not None) is changes
