"""The share of the device that standing questions take."""

from __future__ import annotations

import pytest

from hermes.engine.share import BURST_S, Share


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_standing_questions_take_their_share_and_no_more() -> None:
    clock = Clock()
    share, used = Share(0.25, clock), 0.0
    for _ in range(1000):  # a pass of 40 ms whenever it may have one, else frames
        if share.left:
            share.took(4, 0.04)
            used += 0.04
        clock.now += 0.04
    assert 0.25 * 40 <= used <= 0.25 * 40 + BURST_S + 0.04


def test_what_is_not_used_is_saved_up_only_so_far() -> None:
    clock = Clock()
    share = Share(0.5, clock)
    clock.now += 3600
    passes = 0
    while share.left:
        share.took(1, 0.15)
        passes += 1
    assert passes == 4


def test_the_passes_that_go_on_with_their_answers_count() -> None:
    clock = Clock()
    share = Share(0.5, clock)
    for _ in range(200):
        clock.now += 0.1
        share.took(2, 0.02)
        share.took(0, 0.06)  # more tokens of the same answers
    assert share.figures()[0] == pytest.approx(0.5 * 2 / 0.08, rel=0.02)
    assert not share.left


def test_the_figures() -> None:
    clock = Clock()
    share = Share(0.5, clock)
    assert share.figures() == (0.0, 0.0)
    for _ in range(600):
        clock.now += 0.1
        share.took(2, 0.02)
    capacity, rate = share.figures()
    assert capacity == pytest.approx(50.0, rel=0.01)
    assert rate == pytest.approx(20.0, rel=0.05)
    clock.now += 60
    assert share.figures()[1] < 1
