"""Questions that are read in one row find what each would find alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hermes.memory import Branch, ForkedRow, PackedPass, Part, SharedRow
from hermes.memory.changes import ChangeConfig
from hermes.memory.side_by_side import SideBySide
from hermes.vlm import VideoMemory, VideoModel
from tests.support import tiny, tiny_qwen

FAMILIES = ("llava", *tiny_qwen.FAMILIES)
QUESTIONS = ("Who is there?", "Is it day?", "What came first of all?")
CHOICES = ([20, 21, 22], [23], [20, 24])
"""The token ids of each text; the first two tokens are the first text, the others the second."""


def model_of(family: str) -> VideoModel:
    return tiny.model() if family == "llava" else tiny_qwen.model(family)


def memory_of(family: str, frames: int) -> VideoMemory:
    """It has taken in one picture in whole, and of later ones what changed. With an odd number,
    one waits for its pair in families that pair them.
    """
    model = model_of(family)
    memory = VideoMemory(model, budget=300, changes=ChangeConfig(threshold=0.3))
    pictures = tiny.pictures(2, seed=frames)
    for at in range(frames):
        picture = pictures[0].clone()
        picture[:, : 4 + at, :9] = pictures[1][:, : 4 + at, :9]  # a small part of it changes
        memory.feed(picture[None], [1000 * at])
    return memory


def forks(ids: list[int]) -> tuple[int, ...]:
    return (2, len(ids) - 2) if len(ids) > 2 else (len(ids),)


def alone(memory: VideoMemory) -> list[Tensor]:
    """The hidden states of each question and its texts, in a pass of its own."""
    model, found = memory.model, []
    for text, ids in zip(QUESTIONS, CHOICES, strict=True):
        with memory.branch(40) as branch, torch.inference_mode():
            asked = branch.opened_by(model.question(text))
            row = ForkedRow(branch, len(asked), forks(ids))
            hidden = model.forward(torch.cat((asked, model.embed(ids))), PackedPass([row]))
            found.append(hidden[len(asked) - len(model.question(text)) :])
    return found


def together(memories: list[VideoMemory]) -> tuple[list[list[Tensor]], list[SharedRow]]:
    """The same of several memories, all in one pass."""
    model = memories[0].model
    asked = [model.question(text) for text in QUESTIONS]
    parts = [Part(len(own), forks(ids)) for own, ids in zip(asked, CHOICES, strict=True)]
    rows, inputs = [], []
    for memory in memories:
        branch = memory.branch(sum(part.size for part in parts))
        frames = branch.opening_features
        inputs += [] if frames is None else [frames]
        for own, ids in zip(asked, CHOICES, strict=True):
            inputs += [own, model.embed(ids)]
        rows.append(SharedRow(branch, 0 if frames is None else len(frames), parts))
    with torch.inference_mode():
        hidden = model.forward(torch.cat(inputs), PackedPass(rows))
    found = []
    for row, own in zip(rows, hidden.split([row.tokens for row in rows]), strict=True):
        found.append(
            [own[start : start + part.size] for start, part in zip(row.starts, parts, strict=True)]
        )
    return found, rows


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("frames", [1, 2, 5], ids=["whole", "changes", "changes, odd"])
def test_each_question_finds_what_it_would_alone(family: str, frames: int) -> None:
    memory = memory_of(family, frames)
    (found,), (row,) = together([memory])
    row.branch.close()
    for ours, expected in zip(found, alone(memory), strict=True):
        torch.testing.assert_close(ours, expected, atol=2e-4, rtol=1e-4)


def test_the_present_frame_is_there_and_read_once() -> None:
    memory = memory_of("llava", 3)
    _, (row,) = together([memory])
    shown = row.branch.opening_frames
    texts = sum(len(memory.model.question(text)) for text in QUESTIONS) + sum(map(len, CHOICES))
    assert shown
    assert row.tokens == len(shown) + texts
    row.branch.close()


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl"])
def test_several_cameras_in_one_pass(family: str) -> None:
    """Those with as many tokens are read side by side, the others one after the other."""
    memories = [memory_of(family, frames) for frames in (3, 5, 1)]
    found, rows = together(memories)
    alike = [row.tokens == rows[0].tokens for row in rows]
    joined = [isinstance(row.branch.side_by_side, SideBySide) for row in rows]
    assert joined == alike
    assert family != "llava" or alike == [True, True, False]
    for row in rows:
        row.branch.close()
    for memory, ours in zip(memories, found, strict=True):
        for own, expected in zip(ours, alone(memory), strict=True):
            torch.testing.assert_close(own, expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_question_goes_on_alone(family: str) -> None:
    memory = memory_of(family, 3)
    model = memory.model
    _, (row,) = together([memory])
    first, more = model.embed([20]), model.embed([21, 22])

    def logits(branch: Branch) -> Tensor:
        found = []
        with branch, torch.inference_mode():
            for inputs in (first, more):
                own = branch.row(len(inputs))
                found.append(model.forward(inputs, PackedPass([own])))
                branch.commit(own)
        return torch.cat(found)

    for number, text in enumerate(QUESTIONS):
        with torch.inference_mode():
            asked = memory.branch(40)
            inputs = asked.opened_by(model.question(text))
            question = asked.row(len(inputs))
            model.forward(inputs, PackedPass([question]))
            asked.commit(question)
        split = row.split(number, 40)
        assert split.length == asked.length
        torch.testing.assert_close(logits(split), logits(asked), atol=2e-4, rtol=1e-4)
    row.branch.close()
