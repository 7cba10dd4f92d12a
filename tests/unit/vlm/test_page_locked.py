"""Pictures that a GPU can read by itself stay so on their way to it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes.vlm.preprocess import stacked
from tests.support import tiny


class Locked(Tensor):
    """A picture that says it is page-locked."""

    def is_pinned(self, device: object = None) -> bool:
        return True


class Room:
    """Makes room, and keeps it."""

    def __init__(self) -> None:
        self.made: list[Tensor] = []

    def __call__(self, size: Sequence[int]) -> Tensor:
        self.made.append(torch.empty(tuple(size), dtype=torch.uint8))
        return self.made[-1]


def test_pictures_of_a_frame_are_put_together_in_page_locked_memory() -> None:
    pictures, room = tiny.pictures(2), Room()
    locked = [picture.as_subclass(Locked) for picture in pictures]
    found = stacked(locked, (pictures.shape[-2], pictures.shape[-1]), room)
    assert found.data_ptr() == room.made[0].data_ptr()
    assert torch.equal(room.made[0], pictures)


def test_one_picture_is_not_copied() -> None:
    (picture,), room = tiny.pictures(1), Room()
    found = stacked([picture], (picture.shape[-2], picture.shape[-1]), room)
    assert found.data_ptr() == picture.data_ptr()
    assert room.made == []


def test_pictures_that_are_not_locked_or_not_alike_take_no_such_room() -> None:
    pictures, room = tiny.pictures(2), Room()
    size = pictures.shape[-2], pictures.shape[-1]
    assert torch.equal(
        stacked([pictures[0].as_subclass(Locked), pictures[1]], size, room), pictures
    )
    narrow = pictures[1, :, :, :-1].as_subclass(Locked)
    assert stacked([pictures[0].as_subclass(Locked), narrow], size, room).shape == pictures.shape
    assert room.made == []
