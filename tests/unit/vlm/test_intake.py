"""What a memory says about how much of a camera's picture is new."""

from __future__ import annotations

import pytest

from hermes.vlm.intake import Intake


def test_the_share_is_that_of_all_frames_at_first() -> None:
    intake = Intake()
    intake.took([(16, 16), (1, 16)], [0.0, 0.0])
    intake.took([(1, 16)], [0.1])
    assert (intake.frames, intake.taken, intake.unchanged) == (3, 18, 30)
    assert intake.ratio == pytest.approx(18 / 48)
    assert intake.change == 0.1


def test_it_follows_the_newest_frames() -> None:
    intake = Intake()
    intake.took([(1, 100)] * 200, [0.0] * 200)
    assert intake.ratio == pytest.approx(0.01)
    intake.took([(100, 100)] * 100, [1.0] * 100)
    assert intake.ratio > 0.95


def test_steps_of_any_length_make_the_same_share() -> None:
    frames = [(number % 7 + 1, 16) for number in range(50)]
    one, other = Intake(), Intake()
    one.took(frames, [0.5] * len(frames))
    for frame in frames:
        other.took([frame], [0.5])
    assert one == other


def test_the_change_is_that_of_the_newest_frame() -> None:
    intake = Intake()
    intake.took([(1, 16), (16, 16), (2, 16)], [0.0, 1.0, 0.1])
    assert (intake.change, intake.changes) == (0.1, 2)
