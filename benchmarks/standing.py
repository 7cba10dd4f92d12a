"""What an evaluation costs: a camera's watches read together, against each read by itself.

All of it is CPU time of the one thread that computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.scene import Scene
from benchmarks.table import Row, least
from hermes.demo.checkpoint import WEIGHTS
from hermes.demo.training.precision import fast_dtype
from hermes.memory import Branch, BranchRow, FrameStamp, PackedPass, Part, SharedRow
from hermes.memory.changes import ChangeConfig
from hermes.question import Choices
from hermes.vlm import Arrival, VideoMemory, VideoModel, load, take_together
from hermes.vlm.scoring import Scoring, Wanted, read_logprobs
from hermes.vlm.shapes import random_model

SHAPE = "llava-onevision-0.5b"
WATCHES = {
    "Is it day or night?": ("night", "day"),
    "Did a red circle appear?": ("yes", "no"),
    "How many objects are there now?": ("three", "two", "one"),
    "What shape is the red object?": ("circle", "square", "triangle", "star"),
}
CAMERAS = 8
"""Of the demo's model. Of the large one, one."""
HELD_FRAMES = 8
"""What a memory holds, in frames that were taken in whole."""
CHOICE_TOKENS = 256


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    torch.set_num_threads(1)
    large = random_model(SHAPE, dtype=fast_dtype())
    name = f"0.5B shape, {str(large.shape.dtype).removeprefix('torch.')}"
    rows = [_evaluation(load(WEIGHTS), "demo model", CAMERAS, rounds)]
    return [*rows, _evaluation(large, name, 1, max(2, rounds // 2))]


def _evaluation(model: VideoModel, name: str, cameras: int, rounds: int) -> Row:
    memories = _memories(model, HELD_FRAMES, cameras)
    count = cameras * len(WATCHES)
    together, alone = least(
        [partial(_read_together, memories), partial(_read_alone, memories)], rounds
    )
    parts, shown = _parts(model), model.layout.tokens
    texts = sum(part.size for part in parts)
    tokens = (shown + texts) / len(parts), shown + texts / len(parts)
    many = "1 camera" if cameras == 1 else f"{cameras} cameras in one pass"
    return Row(
        f"an evaluation, {len(WATCHES)} watches of {many}, read together: {tokens[0]:.0f} tokens"
        f" each, {count / together:.1f} evaluations/s, {name}",
        together / count,
        f"each by itself: {tokens[1]:.0f} tokens, {count / alone:.1f} evaluations/s",
        alone / count,
    )


def _memories(model: VideoModel, frames: int, count: int) -> list[VideoMemory]:
    """Memories whose newest frame was taken in only in part."""
    scene: Any = Scene(model)
    budget = frames * model.layout.tokens
    made = [
        VideoMemory(scene, budget=budget, compress_every_frames=4, changes=ChangeConfig())
        for _ in range(count)
    ]
    picture = torch.zeros((3, *model.frame_size), dtype=torch.uint8)
    for at in range(frames + 1):
        if at < frames:
            scene.cut()
        else:
            scene.repaint(0.15)
        for outcome in take_together(
            [Arrival(memory, picture, FrameStamp(1000 * at)) for memory in made]
        ):
            if isinstance(outcome, Exception):
                raise outcome
    return made


def _scorings(model: VideoModel) -> list[Scoring]:
    forms = [model.forms.choices(Choices(choices)) for choices in WATCHES.values()]
    return [Scoring(form, CHOICE_TOKENS) for form in forms]


def _parts(model: VideoModel) -> list[Part]:
    scorings = _scorings(model)
    asked = [len(model.question(text)) for text in WATCHES]
    return [Part(own, one.forks) for own, one in zip(asked, scorings, strict=True)]


@torch.inference_mode()
def _read_together(memories: Sequence[VideoMemory]) -> None:
    model, parts = memories[0].model, _parts(memories[0].model)
    inputs: list[Tensor] = []
    rows: list[BranchRow] = []
    wants: list[tuple[int, Wanted]] = []
    first = 0
    for memory in memories:
        branch = memory.branch(sum(part.size for part in parts))
        frames = branch.opening_features
        inputs += [] if frames is None else [frames]
        row = SharedRow(branch, 0 if frames is None else len(frames), parts)
        rows.append(row)
        pairs = zip(WATCHES, _scorings(model), row.starts, parts, strict=True)
        for text, scoring, start, part in pairs:
            inputs += [model.question(text), model.embed(scoring.ids)]
            wants.append((first + start, scoring.wanted(part.tokens)))
        first += row.tokens
    _score(model, inputs, rows, wants)
    _close([row.branch for row in rows])


@torch.inference_mode()
def _read_alone(memories: Sequence[VideoMemory]) -> None:
    model = memories[0].model
    inputs: list[Tensor] = []
    rows: list[BranchRow] = []
    wants: list[tuple[int, Wanted]] = []
    first = 0
    for memory in memories:
        for text, scoring in zip(WATCHES, _scorings(model), strict=True):
            question = model.question(text)
            branch = memory.branch(len(question) + scoring.tokens)
            asked = branch.opened_by(question)
            row = scoring.row(branch, len(asked))
            rows.append(row)
            inputs += [asked, model.embed(scoring.ids)]
            wants.append((first, scoring.wanted(len(asked))))
            first += row.tokens
    _score(model, inputs, rows, wants)
    _close([row.branch for row in rows])


def _score(
    model: VideoModel,
    inputs: Sequence[Tensor],
    rows: Sequence[BranchRow],
    wants: Sequence[tuple[int, Wanted]],
) -> None:
    hidden = model.forward(torch.cat(list(inputs)), PackedPass(rows))
    places: list[int] = []
    numbers: list[tuple[int, int]] = []
    for first, wanted in wants:
        numbers += [(len(places) + output, token) for output, token in wanted.numbers]
        places += [first + output for output in wanted.outputs]
    read_logprobs(model, hidden[places], numbers)


def _close(branches: Sequence[Branch]) -> None:
    for branch in branches:
        branch.close()
