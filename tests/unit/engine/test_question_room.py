"""How many tokens of questions one pass reads."""

from __future__ import annotations

from hermes.engine.question_room import MOST, PASS_S, QuestionRoom


def test_a_device_that_reads_quickly_reads_more_at_once() -> None:
    room = QuestionRoom(256, grows=True)
    assert room.tokens == 256
    room.took(200, PASS_S / 2)
    assert room.tokens == 400
    room.took(400, PASS_S / 100)
    assert room.tokens == MOST * 256


def test_a_slow_device_reads_what_it_must() -> None:
    room = QuestionRoom(256, grows=True)
    room.took(1000, PASS_S / 10)
    room.took(256, 2.0)
    assert room.tokens == 256


def test_a_short_pass_says_nothing_about_a_long_one() -> None:
    room = QuestionRoom(256, grows=True)
    room.took(24, PASS_S / 1000)
    assert room.tokens == 256


def test_passes_of_fixed_sizes_do_not_grow() -> None:
    room = QuestionRoom(256, grows=False)
    room.took(256, PASS_S / 100)
    assert room.tokens == 256
