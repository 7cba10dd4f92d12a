"""High dynamic range becomes what an SDR camera would have shown."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise

import pytest
from PIL import Image

from services.decoder.colour import Transfer
from services.decoder.picture import FrameSize, JpegEncoder
from tests.support import painted
from tests.support.painted import BT2020, Coding

CODING = Coding(BT2020, pixel_format="yuv420p10le")
ENCODER = JpegEncoder(FrameSize.parse("64x64"), 95)

GREY_CARD = 0.38
"""Of the signal: a grey card of 18 % in PQ as in HLG (ITU-R BT.2408, table 1)."""

GREY_CARD_IN_SDR = 104
"""Of 255: the same card as an SDR camera codes it, 1.099 * 0.18 ** 0.45 - 0.099 (ITU-R BT.709)."""

TO_BT2020 = ((0.6274, 0.3293, 0.0433), (0.0691, 0.9195, 0.0114), (0.0164, 0.0880, 0.8956))
"""Light with the primaries of BT.709 as light with those of BT.2020 (ITU-R BT.2087)."""


def shown(rgb: tuple[float, float, float], transfer: Transfer) -> tuple[int, int, int]:
    frame = painted.frame(rgb, CODING, transfer=transfer, primaries=BT2020)
    with Image.open(BytesIO(ENCODER.encode(frame))) as image:
        red, green, blue = image.convert("RGB").tobytes()[:3]
    return red, green, blue


def grey(signal: float, transfer: Transfer) -> int:
    levels = shown((signal, signal, signal), transfer)
    assert max(levels) - min(levels) <= 2
    return levels[1]


@pytest.mark.parametrize("transfer", [Transfer.PQ, Transfer.HLG])
def test_a_grey_card_is_as_grey_as_in_sdr(transfer: Transfer) -> None:
    assert abs(grey(GREY_CARD, transfer) - GREY_CARD_IN_SDR) <= 6


@pytest.mark.parametrize(("transfer", "white"), [(Transfer.PQ, 0.58), (Transfer.HLG, 0.75)])
def test_black_and_white_stay_and_brighter_things_are_told_apart(
    transfer: Transfer, white: float
) -> None:
    assert grey(0.0, transfer) <= 1
    assert 222 <= grey(white, transfer) <= 235
    assert grey(1.0, transfer) >= 253
    ramp = [grey(step / 20, transfer) for step in range(21)]
    assert all(later >= earlier for earlier, later in pairwise(ramp))
    assert grey(white, transfer) + 8 <= grey(white + 0.08, transfer) <= 250


@pytest.mark.parametrize(
    "colour", [(100, 50, 50), (50, 120, 60), (30, 40, 150), (150, 150, 40), (120, 120, 120)]
)
def test_colours_of_an_sdr_scene_survive_pq(colour: tuple[int, int, int]) -> None:
    light = [(level / 255) ** 2.4 for level in colour]  # of reference white
    wide = [sum(w * part for w, part in zip(row, light, strict=True)) for row in TO_BT2020]
    red, green, blue = (pq(203 * part) for part in wide)
    got = shown((red, green, blue), Transfer.PQ)
    assert max(abs(a - b) for a, b in zip(got, colour, strict=True)) <= 5, got


def pq(nits: float) -> float:
    """The signal of PQ for light (SMPTE ST 2084)."""
    power = (nits / 10_000) ** (2610 / 16384)
    return float(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))
