"""No pass waits for the device on its way: on CUDA it could not be recorded as a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.memory import ChangeConfig, FrameStamp, PackedPass, Row
from hermes.vlm import Arrival, VideoMemory, VideoModel, load, take_together
from tests.support import tiny_hub
from tests.support.waits import Waits


@cache
def model(family: str) -> VideoModel:
    return load(tiny_hub.folder(family))


def fed(family: str) -> VideoMemory:
    own = model(family)
    memory = VideoMemory(own, "sliding-window", budget=2000)
    generator = torch.Generator().manual_seed(1)
    size = (2 * own.pictures_per_frame, 3, *own.frame_size)
    memory.feed(torch.randint(0, 256, size, dtype=torch.uint8, generator=generator))
    return memory


@pytest.mark.parametrize(
    "waiting",
    [
        lambda values: bool(values.any()),
        lambda values: values[values > 0],
        lambda values: values.masked_fill_(values > 9, 0).sum().item(),
        lambda values: values.__setitem__(values > 0, torch.ones(2)),
        lambda values: values.nonzero(),
        lambda values: values.tolist(),
        lambda values: int(values[0]),
        lambda values: values.cpu(),
    ],
)
@pytest.mark.parametrize("inference", [False, True])
def test_a_wait_is_counted(waiting: Callable[[Tensor], Any], inference: bool) -> None:
    with torch.inference_mode(inference), Waits() as waits:
        waiting(torch.tensor([1.0, 0.0, 2.0]))
    assert waits.seen


def test_computing_alone_is_no_wait() -> None:
    values = torch.tensor([1.0, 0.0, 2.0])
    with Waits() as waits:
        values[torch.tensor([0, 2])].where(values[:2] > 0, 0).softmax(0).argmax().unsqueeze(0)
    assert waits.seen == []


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
@torch.inference_mode()
def test_a_question_and_each_token_of_its_answer_run_without_a_wait(family: str) -> None:
    own, memory = model(family), fed(family)
    inputs = own.question("Who is there?")
    with memory.branch(len(inputs) + 3) as branch:
        for _ in range(3):
            row = branch.row(len(inputs))
            with Waits() as waits:
                hidden = own.forward(inputs, PackedPass([row]))
                found = own.logits(hidden[-1:]).argmax(dim=-1)
            assert waits.seen == []
            branch.commit(row)
            inputs = own.embed(found.tolist())


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
@torch.inference_mode()
def test_several_questions_and_frames_in_one_pass_run_without_a_wait(family: str) -> None:
    own, memory, other = model(family), fed(family), fed(family)
    inputs = own.question("Who is there?")
    picture = torch.full((own.pictures_per_frame, 3, *own.frame_size), 90, dtype=torch.uint8)
    features = own.encode(picture)
    writing = other.cache.begin_frames([FrameStamp(90_000)], own.layout)
    with memory.branch(len(inputs)) as one, memory.branch(len(inputs)) as two:
        rows: list[Row] = [one.row(len(inputs)), writing, two.row(len(inputs))]
        packed = torch.cat((inputs, features[0], inputs))
        with Waits() as waits:
            own.forward(packed, PackedPass(rows))
    assert waits.seen == []


def arrivals(memories: Sequence[VideoMemory], number: int) -> list[Arrival]:
    """One frame for each memory."""
    own = memories[0].model
    picture = torch.full((3, *own.frame_size), 90, dtype=torch.uint8)
    return [
        Arrival(memory, picture, FrameStamp(1000 * number + at))
        for memory in memories
        for at in range(own.pictures_per_frame)
    ]


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_taking_in_changes_waits_once_more_for_all_cameras_together(family: str) -> None:
    counts = []
    for changes in (None, ChangeConfig()):
        memories = [VideoMemory(model(family), budget=2000, changes=changes) for _ in range(3)]
        for number in range(2):
            take_together(arrivals(memories, number))
        with Waits() as waits:
            outcomes = take_together(arrivals(memories, 2))
        assert outcomes == [None] * len(outcomes)
        counts.append(Counter(waits.seen))
    assert counts[1] - counts[0] == Counter(tolist=1)
    assert counts[0] - counts[1] == Counter()


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
@torch.inference_mode()
def test_a_question_that_begins_with_the_present_frame_runs_without_a_wait(family: str) -> None:
    own = model(family)
    memory = VideoMemory(own, budget=2000, changes=ChangeConfig())
    for number in range(2):
        take_together(arrivals([memory], number))
    question = own.question("Who is there?")
    with Waits() as waits, memory.branch(len(question)) as branch:
        inputs = branch.opened_by(question)
        hidden = own.forward(inputs, PackedPass([branch.row(len(inputs))]))
        own.logits(hidden[-1:]).argmax(dim=-1)
    assert len(inputs) > len(question)
    assert waits.seen == []
