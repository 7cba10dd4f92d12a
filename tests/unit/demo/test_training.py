"""Training sees what a memory sees, and makes a model better."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.demo import checkpoint, train, words
from hermes.demo.questions import KINDS
from hermes.demo.training.courses import Course, courses
from hermes.demo.training.decoder import Learner, train_decoder
from hermes.demo.training.pace import Pace
from hermes.demo.training.packing import Packer, Sight, forgetting
from hermes.demo.training.settings import Settings
from hermes.demo.training.streams import make_stream
from hermes.demo.training.tower import make_pictures
from hermes.memory import PackedPass
from hermes.vlm import VideoMemory, load

SMALL = Settings(
    tower_pictures=64,
    tower_steps=4,
    tower_batch=16,
    tower_check=16,
    frames=6,
    steps=6,
    search_steps=2,
    find_steps=2,
    finish_steps=2,
    bind_steps=2,
    batch=2,
    questions=4,
    summary_every=3,
    check_every=6,
    check_batches=1,
    held_out_batches=20,
    loaders=0,
)


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Learner:
    tokenizer = words.build()
    return Learner(checkpoint.model_of(tokenizer, seed=1), Packer(tokenizer))


def test_a_packed_question_is_a_question_to_a_memory(learner: Learner, tmp_path: Path) -> None:
    """The same frames, the same question: the same logits, whatever else is in the batch."""
    streams = [make_stream(seed, 5, 4) for seed in (1, 2)]
    layout, hidden = learner.forward(streams, None)
    learner.language.set_attn_implementation("sdpa")
    checkpoint.write(tmp_path, learner.model, words.build())
    model = load(tmp_path)
    for index, stream in enumerate(streams):
        for number, asked in enumerate(stream.asked):
            memory = VideoMemory(model, "sliding-window", budget=100)
            pictures = torch.from_numpy(stream.pictures[: asked.frames]).permute(0, 3, 1, 2)
            memory.feed(pictures)
            question = model.question(asked.text)
            with memory.branch(len(question)) as branch:
                alone = model.forward(question, PackedPass([branch.row(len(question))]))
            last = int(layout.cue[index, number]) - 1
            assert last == len(question) - 1
            torch.testing.assert_close(hidden[index, number, last], alone[-1], atol=2e-4, rtol=1e-3)


def test_labels_are_the_answer(learner: Learner) -> None:
    streams = [make_stream(seed, 5, 4) for seed in (1, 2)]
    layout, tokenizer = learner.packer.pack(streams), words.build()
    for index, stream in enumerate(streams):
        for number, asked in enumerate(stream.asked):
            labels = layout.labels[index, number]
            labels = labels[labels != -100]
            assert labels[-1] == tokenizer.eos_token_id
            assert tokenizer.decode(labels[:-1]) == asked.answer


def test_forgotten_tokens_are_not_seen(learner: Learner) -> None:
    streams = [make_stream(seed, 6, 4) for seed in range(8)]
    prefix = len(learner.packer.prefix)
    generator = torch.Generator().manual_seed(1)
    layout = learner.packer.pack(streams, generator)
    gone = forgetting(layout, generator, prefix)
    assert (gone[:, :prefix] > 1000).all()
    whole = (gone > 1000).all(dim=1)
    assert 0 < int(whole.sum()) < len(streams)
    sight = Sight.of(layout, prefix, torch.float32, gone)
    for index in range(len(streams)):
        for slot, frames in enumerate(layout.frames[index].tolist()):
            seen = sight.asked[index, 0, slot, 0] == 0
            came = (torch.arange(layout.video) - prefix) // checkpoint.FRAME_TOKENS < frames
            assert torch.equal(seen, came & (gone[index] >= frames))
            newest = prefix + frames * checkpoint.FRAME_TOKENS - 1
            assert seen[newest]


def test_a_gap_between_frames_moves_what_follows(learner: Learner) -> None:
    streams = [make_stream(seed, 6, 4) for seed in range(8)]
    layout = learner.packer.pack(streams, torch.Generator().manual_seed(3))
    video = layout.positions[:, : layout.video]
    assert (video.diff(dim=1) >= 1).all()
    assert (video.diff(dim=1) > 1).any()
    asked = layout.positions[:, layout.video :].unflatten(1, layout.ids.shape[1:])
    for index, row in enumerate(layout.frames.tolist()):
        for slot, frames in enumerate(row):
            last = len(learner.packer.prefix) + frames * checkpoint.FRAME_TOKENS - 1
            assert asked[index, slot, 0] == video[index, last] + 1


def test_pictures_and_streams_come_from_their_seeds() -> None:
    once, again = make_pictures(5, 12), make_pictures(5, 12)
    assert torch.equal(once.pixels, again.pixels)
    assert torch.equal(once.shape, again.shape)
    assert (once.shape > 0).any()
    assert (make_stream(1, 4, 3).pictures == make_stream(1, 4, 3).pictures).all()
    assert make_stream(1, 4, 3).asked == make_stream(1, 4, 3).asked


def test_short_streams_come_first() -> None:
    settings = Settings()
    reading, searching, _, comparing, _ = courses(settings)
    for course, early, late in ((reading, 13, 16), (comparing, 7, 18)):
        assert mean(course.frames(settings, step) for step in range(100)) < early
        assert mean(course.frames(settings, course.steps - step) for step in range(1, 101)) > late
    assert max(searching.frames(settings, step) for step in range(searching.steps)) < 8
    few = replace(settings, frames=6)
    assert max(course.frames(few, step) for course in courses(few) for step in range(300)) == 6


def test_no_two_courses_see_the_same_stream() -> None:
    settings = Settings()
    every = courses(settings)
    for course, following in pairwise(every):
        assert course.first_seed + course.steps * settings.batch <= following.first_seed
    reading, searching, _, comparing, _ = every
    assert set(reading.kinds()) == set(comparing.kinds()) == set(KINDS)
    assert searching.kinds() == ["shape-appeared"]


@dataclass(frozen=True)
class Trained:
    """A finished training: its checkpoint, and the state that another can continue from."""

    out: Path
    work: Path
    reader: Tensor
    """As the last course found it."""


@contextmanager
def readers_of_the_last_course() -> Iterator[list[Tensor]]:
    readers: list[Tensor] = []

    def seen(learner: Learner, settings: Settings, course: Course, *rest: Any) -> None:
        if course.name == "binding":
            readers.append(learner.reader.weight.detach().clone())
        train_decoder(learner, settings, course, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "train_decoder", seen)
        yield readers


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    with readers_of_the_last_course() as readers:
        train.train(SMALL, folder / "out", folder / "work")
    (reader,) = readers
    return Trained(folder / "out", folder / "work", reader)


def test_training_from_nothing_writes_a_checkpoint(trained: Trained) -> None:
    model: Any = load(trained.out)
    assert model.position_limit == checkpoint.POSITIONS
    assert (trained.out / train.RECORD).is_file()
    assert "| What came first? | " in (trained.out / "README.md").read_text()
    memory = VideoMemory(model, "sliding-window", budget=64, compress_every_frames=4)
    memory.feed(torch.zeros((2, 3, 64, 64), dtype=torch.uint8))
    assert isinstance(memory.ask("What came first?", 4), str)


def test_training_continues_where_it_stopped(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = shutil.copytree(trained.work, tmp_path / "work")
    shutil.rmtree(work / "binding")
    with readers_of_the_last_course() as readers:
        train.train(SMALL, tmp_path / "again", work)
    reported = capsys.readouterr().err
    assert "reading: taken from" in reported
    assert "reading: step" not in reported
    assert "binding: step 2 of 2" in reported
    once, again = (
        json.loads((folder / train.RECORD).read_text())
        for folder in (trained.out, tmp_path / "again")
    )
    assert once["tower"] == again["tower"] != {}
    (reader,) = readers
    assert torch.equal(reader, trained.reader)


class _Stopped(Exception):
    pass


class _StoppingPace(Pace):
    """The machine goes away before step 5."""

    def step(self, stage: str, step: int, steps: int, loss: float) -> None:
        if step == 4:
            raise _Stopped


@pytest.mark.slow
def test_an_interrupted_course_continues_bit_equally(tmp_path: Path) -> None:
    settings = replace(SMALL, check_every=3)
    course = courses(settings)[0]

    def learner() -> Learner:
        torch.manual_seed(5)
        tokenizer = words.build()
        return Learner(checkpoint.model_of(tokenizer, seed=1), Packer(tokenizer))

    whole, stopped, again = learner(), learner(), learner()
    train_decoder(whole, settings, course, Pace(), tmp_path / "whole")
    with pytest.raises(_Stopped):
        train_decoder(stopped, settings, course, _StoppingPace(), tmp_path / "cut")
    train_decoder(again, settings, course, Pace(), tmp_path / "cut")
    for ours, other in zip(again.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours, other, rtol=0, atol=1e-6)
    assert not torch.equal(next(iter(stopped.parameters())), next(iter(whole.parameters())))


@pytest.mark.slow
def test_the_loss_falls() -> None:
    tokenizer = words.build()
    learner = Learner(checkpoint.model_of(tokenizer, seed=3), Packer(tokenizer))
    streams = [make_stream(seed, 3, 4) for seed in range(2)]
    optimiser = torch.optim.AdamW(learner.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(30):
        loss = learner.loss(streams, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 3


def test_a_scene_without_questions_ends() -> None:
    """No sign changes within two frames: the light is asked about instead."""
    kinds = {
        asked.kind
        for seed in range(4)
        for asked in make_stream(seed, 2, 3, kinds=["sign-past"]).asked
    }
    assert "light-now" in kinds
