"""A benchmark's scene: memories take in exactly the share of each picture that it makes new."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmarks.changes import Forgetful
from benchmarks.scene import EXACTLY_NEW, Scene
from hermes.memory import FrameStamp
from hermes.vlm import Arrival, take_together
from tests.support import tiny


def picture() -> torch.Tensor:
    return torch.zeros((1, 3, 64, 64), dtype=torch.uint8)


@pytest.mark.parametrize(("share", "taken"), [(0.0, 1), (0.125, 2), (0.25, 4), (1.0, 16)])
def test_exactly_the_new_share_is_taken_in(share: float, taken: int) -> None:
    scene: Any = Scene(tiny.model())
    memory = Forgetful(scene, budget=96, changes=EXACTLY_NEW)
    for _ in range(3):
        scene.cut()
        memory.feed(picture())
    assert memory.intake.taken == 3 * 16
    scene.advance(share)
    memory.feed(picture())
    assert memory.intake.taken == 3 * 16 + taken


def test_a_memory_that_forgets_stays_as_it_is() -> None:
    scene: Any = Scene(tiny.model())
    memory = Forgetful(scene, budget=96, changes=EXACTLY_NEW)
    scene.cut()
    memory.feed(picture())
    before = memory.state()
    memory.forgets = True
    for _ in range(3):
        scene.repaint(0.25)
        memory.feed(picture())
    after = memory.state()
    assert before.header == after.header
    for name, tensor in before.tensors.items():
        assert torch.equal(tensor, after.tensors[name]), name


def test_of_frames_that_come_together_each_is_new_in_part() -> None:
    scene: Any = Scene(tiny.model())
    memory = Forgetful(scene, budget=96, compress_every_frames=8, changes=EXACTLY_NEW)
    for _ in range(3):
        scene.cut()
        memory.feed(picture())
    scene.move(0.125)
    arrivals = [Arrival(memory, picture()[0], FrameStamp(9_000 + at)) for at in range(4)]
    assert take_together(arrivals) == [None] * 4
    assert memory.intake.taken == 3 * 16 + 4 * 2
