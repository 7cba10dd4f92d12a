from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.frame_log import LogId
from services.hermes_worker.place import Place

NUMBERS = st.integers(0, 2**62)


@given(NUMBERS, NUMBERS, st.integers(1, 2**62), NUMBERS, st.booleans())
def test_a_place_is_its_text(ms: int, seq: int, epoch: int, index: int, hole: bool) -> None:
    place = Place(LogId(ms, seq), epoch, index, hole)
    assert Place.parse(str(place)) == place
    assert place.indices == {epoch: index}
    unread = Place(LogId(ms, seq), hole=hole)
    assert Place.parse(str(unread)) == unread
    assert unread.indices == {}


def test_no_text_is_the_beginning() -> None:
    assert Place.parse("") == Place()
    assert str(Place()) == "0-0"


@pytest.mark.parametrize("text", ["1", "1-", "a-b", "1-0@", "1-0@3", "1-0@3:", "1-0!!", "-1-0"])
def test_no_place_at_all(text: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        Place.parse(text)
