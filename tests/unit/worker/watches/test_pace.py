"""When a watch is asked again."""

from __future__ import annotations

import pytest

from services.hermes_worker.watches.pace import Pace


def asked(pace: Pace, frames: list[tuple[int, int]], *, waiting: bool = False) -> list[int]:
    """The times (ms) at which it is asked, given memory's newest frame and its changes."""
    times = []
    for newest_ms, changes in frames:
        if pace.due(newest_ms, changes, waiting=waiting):
            pace.asked(newest_ms, changes)
            times.append(newest_ms)
    return times


STILL = [(at, 0) for at in range(1000, 12_000, 1000)]
BUSY = [(at, at) for at in range(1000, 6000, 1000)]


@pytest.mark.parametrize(
    ("pace", "frames", "waiting", "times"),
    [
        (Pace(heartbeat_ms=5000), STILL, False, [1000, 6000, 11_000]),
        (Pace(heartbeat_ms=60_000), BUSY, False, [1000, 2000, 3000, 4000, 5000]),
        (Pace(2000, 60_000), BUSY, False, [1000, 3000, 5000]),
        (Pace(heartbeat_ms=60_000), [(1000, 1), (2000, 1), (3000, 2)], False, [1000, 3000]),
        # Of four frames that came in at once, only one in the middle changed something.
        (Pace(heartbeat_ms=60_000), [(1000, 1), (5000, 2), (6000, 2)], False, [1000, 5000]),
        (Pace(heartbeat_ms=60_000), STILL[:4], True, [1000, 2000, 3000, 4000]),
        (Pace(), [(1000, 1), (1000, 2), (900, 3)], False, [1000]),  # no newer frame
    ],
)
def test_a_watch_is_asked_after_changes_and_now_and_then(
    pace: Pace, frames: list[tuple[int, int]], waiting: bool, times: list[int]
) -> None:
    assert asked(pace, frames, waiting=waiting) == times


def test_an_unsure_answer_is_asked_again_for_a_while_after_a_change() -> None:
    pace, times = Pace(heartbeat_ms=60_000), []
    for newest_ms in range(1000, 30_000, 1000):
        if pace.due(newest_ms, newest_ms // 20_000, unsure=True):
            pace.asked(newest_ms, newest_ms // 20_000)
            times.append(newest_ms)
    assert times == [*range(1000, 12_000, 1000), *range(20_000, 30_000, 1000)]
