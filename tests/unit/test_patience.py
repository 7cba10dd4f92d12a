"""Deadlines of tests grow where other processes wait for a CPU."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.patience import MOST, Patience, Usage, children, slowness

IDLE = {1: Usage(2.0, 0.0), 2: Usage(1.0, 0.0)}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (IDLE, 1.0),  # they did nothing
        ({1: Usage(4.0, 0.0), 2: Usage(1.0, 0.0)}, 1.0),  # they never waited
        ({1: Usage(3.0, 1.0), 2: Usage(2.0, 1.0)}, 2.0),  # half of the time they waited
        ({1: Usage(2.0, 0.0), 3: Usage(1.0, 2.0)}, 3.0),  # one has ended, and one is new
        ({1: Usage(2.5, 50.0), 2: Usage(1.0, 0.0)}, MOST),
    ],
)
def test_children_that_wait_for_a_cpu_are_slow(after: dict[int, Usage], expected: float) -> None:
    assert slowness(IDLE, after) == expected


def test_a_deadline_without_children_lasts_as_long_as_it_says() -> None:
    assert Patience(0.0).over
    patience = Patience(60.0)
    assert not patience.over
    assert patience.elapsed < 60.0


def test_what_children_used_is_read() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children()
    assert child.pid not in children()
