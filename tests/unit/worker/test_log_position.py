from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.frame_log import LogId
from services.hermes_worker.log_position import LogPosition

NUMBERS = st.integers(0, 2**62)


@given(NUMBERS, NUMBERS, st.integers(1, 2**62), NUMBERS, st.booleans())
def test_a_position_is_its_text(ms: int, seq: int, epoch: int, index: int, unseen: bool) -> None:
    position = LogPosition(LogId(ms, seq), epoch, index, unseen)
    assert LogPosition.parse(str(position)) == position
    unread = LogPosition(LogId(ms, seq), unseen=unseen)
    assert LogPosition.parse(str(unread)) == unread


def test_no_text_is_the_beginning() -> None:
    assert LogPosition.parse("") == LogPosition()
    assert str(LogPosition()) == "0-0"


@pytest.mark.parametrize("text", ["1", "1-", "a-b", "1-0@", "1-0@3", "1-0@3:", "1-0!!", "-1-0"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a log position"):
        LogPosition.parse(text)
