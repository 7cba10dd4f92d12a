"""Display matrices: each is one of eight turns, or is refused."""

from __future__ import annotations

import pytest

from hermes.errors import Unsupported
from services.decoder.turn import Turn

ONE = 1 << 16
W = 1 << 30


def matrix(a: int, b: int, c: int, d: int) -> tuple[int, ...]:
    return (a, b, 0, c, d, 0, 0, 0, W)


@pytest.mark.parametrize(
    ("rows", "turn"),
    [
        ((1, 0, 0, 1), Turn.NONE),
        ((0, 1, -1, 0), Turn.RIGHT),
        ((-1, 0, 0, -1), Turn.HALF),
        ((0, -1, 1, 0), Turn.LEFT),
        ((-1, 0, 0, 1), Turn.MIRRORED),
        ((1, 0, 0, -1), Turn.UPSIDE_DOWN_MIRRORED),
        ((0, -1, -1, 0), Turn.RIGHT_MIRRORED),
        ((0, 1, 1, 0), Turn.LEFT_MIRRORED),
    ],
)
@pytest.mark.parametrize("scale", [ONE, 2 * ONE, 100])
def test_the_eight_turns(rows: tuple[int, int, int, int], turn: Turn, scale: int) -> None:
    a, b, c, d = rows
    assert Turn.from_matrix(matrix(scale * a, scale * b, scale * c, scale * d)) is turn


@pytest.mark.parametrize("turn", Turn)
def test_only_what_is_upright_passes_no_filter(turn: Turn) -> None:
    assert (turn.filters == ()) == (turn is Turn.NONE)


@pytest.mark.parametrize("turn", Turn)
def test_a_mirror_mirrors_back(turn: Turn) -> None:
    assert turn.mirrored is not turn
    assert turn.mirrored.mirrored is turn
    assert turn.mirrored.swaps_sides is turn.swaps_sides


def test_a_hair_off_is_straight() -> None:
    assert Turn.from_matrix(matrix(ONE, 3, -3, ONE)) is Turn.NONE
    assert Turn.from_matrix(matrix(3, ONE, -ONE, -3)) is Turn.RIGHT


@pytest.mark.parametrize("rows", [(46341, 46341, -46341, 46341), (ONE, ONE, 0, ONE)])
def test_slanted_pictures_are_refused(rows: tuple[int, int, int, int]) -> None:
    with pytest.raises(Unsupported, match="quarter turns"):
        Turn.from_matrix(matrix(*rows))


@pytest.mark.parametrize("rows", [(0, 0, 0, 0), (ONE, 0, 0, 0)])
def test_a_matrix_that_shows_nothing_is_ignored(rows: tuple[int, int, int, int]) -> None:
    assert Turn.from_matrix(matrix(*rows)) is Turn.NONE
