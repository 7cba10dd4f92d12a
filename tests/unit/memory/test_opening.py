"""Frames that a branch begins with: their positions, and whether these follow one another."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hermes.memory.branch import Opening
from hermes.memory.frame_layout import FrameLayout, shortened
from hermes.memory.positions import Clock

LINE = FrameLayout.sequential(4)
GRID = FrameLayout.grid(2, 2, 1)


def features(layouts: list[FrameLayout]) -> list[Tensor]:
    return [torch.zeros(layout.tokens, 3) for layout in layouts]


def clock(axes: int) -> Clock:
    made = Clock(axes)
    made.took_text(5)
    return made


def test_frames_on_one_axis_follow_the_memory_and_the_question_follows_them() -> None:
    opening = Opening.of(features([LINE] * 2), [LINE] * 2, clock(1), [8, 9])
    assert opening.positions.tolist() == [[*range(5, 13)]]
    assert (opening.first, opening.next_text) == (5, 13)
    assert opening.features.shape == (8, 3)


def test_a_lead_before_the_first_frame_moves_all_of_them() -> None:
    frames = [LINE.led_by(7), LINE]
    opening = Opening.of(features(frames), frames, clock(1), [8, 9])
    assert opening.positions.tolist() == [[*range(12, 20)]]
    assert (opening.first, opening.next_text) == (12, 20)


def test_a_lead_between_two_frames_leaves_a_hole() -> None:
    frames = [LINE, LINE.led_by(2)]
    opening = Opening.of(features(frames), frames, clock(1), [8, 9])
    assert opening.positions.tolist() == [[5, 6, 7, 8, 11, 12, 13, 14]]
    assert (opening.first, opening.next_text) == (None, 15)


@pytest.mark.parametrize("layout", [GRID, FrameLayout.marked(2, 2), GRID.after_text(3)])
def test_frames_on_three_axes_have_no_line(layout: FrameLayout) -> None:
    opening = Opening.of(features([layout]), [layout], clock(3), [8])
    assert opening.first is None
    assert opening.next_text == int(opening.positions.max()) + 1


def test_parts_are_in_line_where_their_positions_are_dense() -> None:
    tokens = torch.tensor([0, 3])
    assert LINE.part(tokens, dense=True).in_line
    assert not LINE.part(tokens).in_line
    assert LINE.after_text(2).in_line
    assert not replace(LINE, advance=(9,)).in_line


def test_the_clock_of_the_memory_does_not_move() -> None:
    one = clock(1)
    Opening.of(features([LINE]), [LINE], one, [8])
    assert one.next_text == 5


def test_leads_are_shortened_to_what_is_left() -> None:
    frames = [LINE.led_by(3), LINE.led_by(9), LINE.led_by(9)]
    assert [layout.lead for layout in shortened(frames, 100, 200)] == [3, 9, 9]
    assert [layout.lead for layout in shortened(frames, 100, 20)] == [3, 5, 5]
    assert [layout.lead for layout in shortened(frames, 20, 200)] == [3, 5, 0]
    assert [layout.lead for layout in shortened(frames, 3, 200)] == [0, 0, 0]
