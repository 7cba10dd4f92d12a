"""What is kept of the present picture: how many bytes, and nothing else of its pass."""

from __future__ import annotations

import pytest
import torch

from hermes.memory import ChangeConfig, FrameStamp
from hermes.memory.changes import Changes
from hermes.memory.frame_layout import FrameLayout
from hermes.vlm import VideoMemory
from hermes.vlm.encoded import EncodedFrame
from hermes.vlm.glance import glances
from hermes.vlm.live_picture import LivePicture
from tests.support import tiny

TOKENS, WIDTH = 4, 8


def kept_bytes(picture: LivePicture) -> int:
    parts = [tensor.untyped_storage() for tensor in picture.tensors().values()]
    return sum({part.data_ptr(): part.nbytes() for part in parts}.values())


@pytest.mark.parametrize("present", [0, 1, 2])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_picture_keeps_nothing_else_of_its_pass(present: int, steps: int) -> None:
    picture = LivePicture(Changes(ChangeConfig(), 1.0), present, dense=True)
    layout = FrameLayout.sequential(TOKENS)
    random = torch.Generator().manual_seed(1)
    for step in range(steps):
        of_all_cameras = torch.randn((32 * TOKENS, WIDTH), generator=random)
        parts = of_all_cameras.split(TOKENS)[8:11]
        coming = picture.coming(
            [EncodedFrame(part, layout) for part in parts],
            [FrameStamp(10 * step + at) for at in range(3)],
        )
        # Beside other cameras, whose frames are looked at in the same tensors.
        glance, *_ = glances([coming] * 4)
        picture.took(picture.changed(glance, glance.numbers.tolist()))
    frame = TOKENS * WIDTH * 4
    beside = TOKENS * (4 * 16 + 8) + 8 * TOKENS  # noise and times; one layout for all frames
    assert kept_bytes(picture) <= (1 + max(1, present)) * frame + beside


@pytest.mark.parametrize("present", [0, 1, 2])
def test_its_bytes_are_known_before_the_first_frame(present: int) -> None:
    memory = VideoMemory(tiny.model(), budget=96, changes=ChangeConfig(), present_frames=present)
    expected = memory.picture_bytes
    memory.feed(tiny.pictures(1).expand(3, -1, -1, -1))
    tensors = memory.state().tensors
    assert expected == sum(
        tensor.nbytes for name, tensor in tensors.items() if name.startswith("picture_")
    )
    assert VideoMemory(tiny.model(), budget=96).picture_bytes == 0
