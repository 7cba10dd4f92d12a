"""The mark by which a worker tells callers apart."""

from __future__ import annotations

import pytest

from services.common.caller import KEY, UNKNOWN, caller_in, mark_of


def test_a_mark_is_the_same_everywhere_and_tells_no_name() -> None:
    mark = mark_of("token:front-desk")
    assert "front-desk" not in mark
    assert mark == mark_of("token:front-desk") != mark_of("jwt:front-desk")
    assert caller_in([("traceparent", "00-1"), (KEY, mark)]) == mark
    assert mark_of("") == UNKNOWN


@pytest.mark.parametrize("value", ["", "token:front-desk", "B8E09BC9FC8D1B50", "a" * 17, b"a" * 16])
def test_what_is_no_mark_is_no_caller(value: str | bytes) -> None:
    assert caller_in([(KEY, value)]) == UNKNOWN
    assert caller_in(None) == UNKNOWN
