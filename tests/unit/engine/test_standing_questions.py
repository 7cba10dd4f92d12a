"""The queue of standing questions: a camera's stay together, within the room of a pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from hermes.engine.answer import Answer
from hermes.engine.session import Session
from hermes.engine.standing import StandingQuestions


class Camera:
    """A session whose questions begin with a frame of ten tokens."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.present_tokens = 10


class Asked:
    def __init__(self, camera: Camera, tokens: int = 5) -> None:
        self.session = camera
        self.pass_tokens = tokens


def queue(cameras: str, tokens: int = 5) -> tuple[StandingQuestions, list[Asked]]:
    """One question for each letter, about the camera of that name."""
    known = {name: Camera(name) for name in sorted(set(cameras))}
    asked, made = (
        [Asked(known[name], tokens) for name in cameras],
        StandingQuestions(lambda answer: True),
    )
    for answer in asked:
        made.add(cast(Answer, answer))
    return made, asked


def names(taken: Sequence[Sequence[Answer]]) -> list[str]:
    return ["".join(cast(Camera, one.session).name for one in answers) for answers in taken]


@pytest.mark.parametrize(
    ("cameras", "room", "least", "taken", "left"),
    [
        ("abab", 100, 1, ["aa", "bb"], 0),
        ("aabb", 40, 1, ["aa", "bb"], 0),
        ("aabb", 39, 1, ["aa"], 2),  # b's are not torn apart
        ("abbb", 30, 1, ["a"], 3),
        ("aaaa", 25, 1, ["aaa"], 1),  # more than a pass
        ("aaaa", 1, 1, ["a"], 3),  # one in any case
        ("aaaa", 1, 0, [], 4),
        ("", 100, 1, [], 0),
    ],
)
def test_what_fits_into_a_pass(
    cameras: str, room: int, least: int, taken: list[str], left: int
) -> None:
    made, _ = queue(cameras)
    assert names(made.take(room, least=least)) == taken
    assert len(made) == left


def test_every_question_is_taken_once() -> None:
    made, asked = queue("abcabcaab")
    taken: list[Answer] = []
    while len(made):
        taken += [answer for answers in made.take(30) for answer in answers]
    assert sorted(map(id, taken)) == sorted(map(id, asked))


def test_a_question_can_be_taken_out() -> None:
    made, asked = queue("aab")
    made.remove(cast(Answer, asked[2]))
    made.remove(cast(Answer, asked[0]))
    made.remove(cast(Answer, asked[0]))
    assert [id(answer) for answer in made] == [id(asked[1])]
    assert cast(Session, asked[2].session) not in [answer.session for answer in made]
