"""Corrections of a picture: the words of people, and the message for the wire."""

from __future__ import annotations

import pytest

from hermes.client import Picture
from hermes.client.picture import picture_message, picture_of
from hermes.client.requests import add_request
from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import (
    COLOR_MATRIX_BT709,
    COLOR_RANGE_FULL,
    TRANSPORT_UDP,
    AspectRatio,
    Color,
)
from hermes.v1.camera_pb2 import Picture as Message


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (Picture(), Message()),
        (Picture(rotate=0), Message(rotate=0)),
        (Picture(rotate=270, mirror=True), Message(rotate=270, mirror=True)),
        (Picture(aspect="16:9"), Message(aspect=AspectRatio(width=16, height=9))),
        (Picture(aspect="square"), Message(square_pixels=True)),
        (Picture(transport="udp"), Message(transport=TRANSPORT_UDP)),
        (Picture(color="bt709"), Message(color=Color(matrix=COLOR_MATRIX_BT709))),
        (Picture(color="full"), Message(color=Color(range=COLOR_RANGE_FULL))),
        (
            Picture(color="bt709-full"),
            Message(color=Color(matrix=COLOR_MATRIX_BT709, range=COLOR_RANGE_FULL)),
        ),
    ],
)
def test_words_and_message_say_the_same(picture: Picture, message: Message) -> None:
    assert picture_message(picture) == message
    assert picture_of(message) == picture


@pytest.mark.parametrize(
    ("picture", "field"),
    [
        *((Picture(rotate=rotate), "rotate") for rotate in (45, -90, 360, 2**40)),
        *((Picture(aspect=aspect), "aspect") for aspect in ("wide", "16x9", "16:", "-4:3", "1.5")),
        (Picture(transport="sctp"), "transport"),
        *(
            (Picture(color=color), "color")
            for color in ("red", "bt709-", "bt709-bt601", "full-limited", "BT709", "bt709_full")
        ),
    ],
)
def test_what_cannot_be_sent_is_named(picture: Picture, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        picture_message(picture)
    assert refused.value.field == f"camera.picture.{field}"


def test_a_camera_without_corrections_is_sent_as_ever() -> None:
    for picture in (None, Picture()):
        request = add_request("a", "rtsp://h/1", 0, 0, None, "default", False, picture)
        assert not request.camera.HasField("picture")
