"""Which questions are admitted, and which are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.engine.admission import Admission
from hermes.engine.config import EngineConfig
from hermes.errors import Overloaded


def test_questions_beyond_the_limits_are_refused() -> None:
    admission = Admission(EngineConfig(max_questions=3, max_camera_questions=2))
    admission.admit("a")
    admission.admit("a")
    with pytest.raises(Overloaded, match="2 questions about camera 'a'"):
        admission.admit("a")
    admission.admit("b")
    with pytest.raises(Overloaded, match="3 questions are open"):
        admission.admit("c")
    admission.ended("a", unread=True)
    admission.admit("c")
    assert admission.open == 3


def test_a_question_that_would_wait_too_long_is_refused() -> None:
    """Reading a question takes half a second and two seconds are allowed: three may wait."""
    admission = Admission(EngineConfig(max_wait_s=2.0))
    admission.admit("a")
    admission.read(1, 0.5)
    for _ in range(4):
        admission.admit("a")
    with pytest.raises(Overloaded, match=r"4 questions are waiting.* 2\.5 s"):
        admission.admit("b")
    admission.read(4, 2.0)
    admission.admit("b")


def test_a_question_counts_as_the_passes_that_its_choices_take() -> None:
    """A pass takes half a second and two seconds are allowed: the third question has four."""
    admission = Admission(EngineConfig(max_wait_s=2.0))
    admission.admit("a")
    admission.read(1, 0.5)
    admission.admit("a")
    admission.admit("a", 4)
    with pytest.raises(Overloaded, match=r"5 questions are waiting.* 3\.0 s"):
        admission.admit("b")
    admission.read(2, 1.0)
    admission.admit("b")
    admission.ended("a", unread=3)
    assert admission.expected_wait_s == pytest.approx(1.0)


def test_an_idle_worker_takes_a_question_even_if_it_is_slow() -> None:
    admission = Admission(EngineConfig(max_wait_s=0.1))
    admission.admit("a")
    admission.read(1, 60.0)
    admission.ended("a", unread=False)
    admission.admit("a")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["ask", "read", "end"]))))
def test_the_counts_match_the_open_questions(events: list[tuple[str, str]]) -> None:
    admission = Admission(EngineConfig(max_questions=5, max_camera_questions=3, max_wait_s=1e9))
    unread: list[str] = []
    reading: list[str] = []
    for camera, event in events:
        if event == "ask":
            there = [*unread, *reading]
            if len(there) == 5 or there.count(camera) == 3:
                with pytest.raises(Overloaded):
                    admission.admit(camera)
            else:
                admission.admit(camera)
                unread.append(camera)
        elif event == "read" and unread:
            reading.append(unread.pop(0))
            admission.read(1, 0.1)
        elif event == "end" and unread:
            admission.ended(unread.pop(), unread=True)
        elif event == "end" and reading:
            admission.ended(reading.pop(), unread=False)
        assert admission.open == len(unread) + len(reading)
        assert admission._unread == len(unread)


def test_a_question_waits_for_one_pass_that_weighs_an_answer() -> None:
    """However many answers are weighed: a pass for questions comes before the next."""
    admission = Admission(EngineConfig(max_wait_s=2.0))
    admission.admit("a", weighed=True)
    admission.read(1, 0.5)
    admission.weighed(1.2)
    admission.admit("a", 0, weighed=True)
    assert admission.expected_wait_s == pytest.approx(1.7)
    admission.admit("b")
    with pytest.raises(Overloaded, match=r"2\.2 s"):
        admission.admit("b")
    admission.ended("a", unread=0, weighed=True)
    assert admission.expected_wait_s == pytest.approx(2.2)
    admission.ended("a", unread=0, weighed=True)
    assert admission.expected_wait_s == pytest.approx(1.0)


def test_a_caller_that_sends_much_leaves_room_for_others() -> None:
    """Of 64 places one caller has 48; of the 32 of a camera 24."""
    admission = Admission(EngineConfig(max_wait_s=1e9))
    for _ in range(24):
        admission.admit("a", caller="flood")
    with pytest.raises(Overloaded, match=r"24 questions of yours are open about camera 'a'"):
        admission.admit("a", caller="flood")
    for number in range(24):
        admission.admit(f"b{number}", caller="flood")
    with pytest.raises(Overloaded, match=r"48 .* on this worker; the last 16 places are for other"):
        admission.admit("c", caller="flood")
    admission.admit("a", caller="quiet")
    admission.ended("a", unread=1, caller="flood")
    admission.ended("a", unread=1, caller="flood")
    admission.admit("a", caller="flood")


def test_a_question_waits_only_for_what_is_read_before_it() -> None:
    """Reading a question takes half a second and two seconds are allowed."""
    admission = Admission(EngineConfig(max_wait_s=2.0))
    admission.admit("a", caller="flood")
    admission.read(1, 0.5, {"flood": 1})
    for _ in range(4):
        admission.admit("a", caller="flood")
    with pytest.raises(Overloaded, match=r"4 questions are waiting.* 2\.5 s"):
        admission.admit("a", caller="flood")
    admission.admit("a", caller="quiet")
    admission.admit("a", caller="quiet")
    with pytest.raises(Overloaded, match=r"5 questions are waiting"):
        admission.admit("a", caller="quiet")
    admission.read(3, 1.5, {"flood": 2, "quiet": 1})
    admission.admit("a", caller="quiet")
