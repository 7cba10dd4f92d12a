"""Words for why no frame was seen."""

from __future__ import annotations

import pytest

from hermes.gap_reasons import gap_number, gap_word
from hermes.memory.coverage import LOST
from hermes.v1.camera_pb2 import GAP_REASON_MEMORY_LOST, GapReason


@pytest.mark.parametrize("number", GapReason.values())
def test_every_reason_has_a_word(number: int) -> None:
    assert gap_number(gap_word(number)) == number
    assert bool(gap_word(number)) is bool(number)


def test_what_is_not_known_here_is_unknown() -> None:
    assert gap_word(99) == ""
    assert gap_number("moths") == gap_number("") == 0


def test_a_lost_memory_has_the_words_of_the_api() -> None:
    assert gap_word(GAP_REASON_MEMORY_LOST) == LOST
