from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from services.common.backoff import Backoff


@given(st.integers(), st.integers(1, 2000))
def test_pauses_grow_to_the_cap_within_their_jitter(seed: int, attempts: int) -> None:
    backoff = Backoff(0.5, 15.0, random.Random(seed))
    for attempt in range(attempts):
        step = min(15.0, 0.5 * 2 ** min(attempt, 32))
        assert step / 2 <= backoff.next() <= step
    backoff.reset()
    assert backoff.next() <= 0.5
