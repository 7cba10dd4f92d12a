"""Pictures that cannot be shown truly are refused by name, in the camera's status."""

from __future__ import annotations

from fractions import Fraction

from hermes.v1.camera_pb2 import SOURCE_ERROR_CODEC, SOURCE_STATE_ENDED, SOURCE_STATE_FAILED
from tests.support import painted
from tests.support.decoder_service import DecoderService


def test_the_status_says_what_is_wrong_and_other_cameras_go_on(decoder: DecoderService) -> None:
    frames = [painted.quarters() for _ in range(3)]
    painted.write(decoder.media / "slanted.mp4", frames, turn=(45, False, False))
    frames[0].colorspace = 10
    painted.write(decoder.media / "constant.mp4", frames)
    frames[0].colorspace = painted.BT601
    painted.write(
        decoder.media / "good.mp4", frames, turn=(90, False, False), pixel_aspect=Fraction(2)
    )
    for name in ("slanted", "constant", "good"):
        decoder.add(name, f"{name}.mp4", fps=10)
    for name, words in (("slanted", "quarter turns"), ("constant", "constant luminance")):
        status = decoder.wait_for(name, SOURCE_STATE_FAILED)
        assert status.error == SOURCE_ERROR_CODEC
        assert words in status.error_message
        assert decoder.chunks(name) == []
    decoder.wait_for("good", SOURCE_STATE_ENDED)
    assert len(decoder.frames("good")) == 3
