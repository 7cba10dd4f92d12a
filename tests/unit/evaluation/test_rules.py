"""The official scorers' rules, case by case, and the strict ones beside them."""

from __future__ import annotations

import pytest

from hermes.evaluation.item import Poll, Rule
from hermes.evaluation.rules import letter_of, official, strict

OPTIONS = ("a red car", "a blue car", "nothing", "A man")


@pytest.mark.parametrize(
    ("rule", "text", "gold", "counted", "really"),
    [
        # StreamingBench: the first character, and nothing else
        ("first-character", "B", "B", True, True),
        ("first-character", "B. a blue car", "B", True, True),
        ("first-character", "Answer: B", "A", True, False),
        ("first-character", "Answer: B", "B", False, True),
        ("first-character", " B", "B", False, True),
        ("first-character", "(B)", "B", False, True),
        ("first-character", "a blue car", "B", False, True),
        ("first-character", "Because it is B", "B", True, False),
        ("first-character", "", "B", None, False),
        ("first-character", None, "B", None, False),
        # OVO-Bench: the letter anywhere
        ("letter-within", "Answer: B", "A", True, False),
        ("letter-within", "Answer: B", "B", True, True),
        ("letter-within", "A. a red car. B is wrong", "B", True, False),
        ("letter-within", "The answer is C.", "C", True, True),
        ("letter-within", "b", "B", False, False),
        ("letter-within", "", "B", False, False),
        ("letter-within", None, "B", False, False),
        # its counts: all digits, joined
        ("joined-digits", "3", "3", True, True),
        ("joined-digits", "about 3 times", "3", True, True),
        ("joined-digits", "1 or 2", "12", True, False),
        ("joined-digits", "between 1 and 3", "3", False, False),
        ("joined-digits", "three", "3", False, False),
        ("joined-digits", "03", "3", False, False),
        ("joined-digits", None, "3", False, False),
        # its yes and no: as they are written, or a single letter
        ("yes-no", "Yes", "Yes", True, True),
        ("yes-no", "Yes.", "Yes", True, True),
        ("yes-no", "Y", "Yes", True, True),
        ("yes-no", "N", "No", True, True),
        ("yes-no", "yes", "Yes", False, True),
        ("yes-no", "Now it is so", "No", True, False),
        ("yes-no", "Yes or No", "No", True, False),
        ("yes-no", "No", "Yes", False, False),
        ("yes-no", None, "Yes", False, False),
        # Video-MME: the first of A to D, once openings are taken away
        ("first-letter", "The best answer is B", "B", True, True),
        ("first-letter", "The best option is B", "B", True, True),
        ("first-letter", "Best answer: B", "B", True, True),
        ("first-letter", "Definitely B", "D", True, False),
        ("first-letter", "it is nothing", "C", None, False),
        ("first-letter", "nothing", "C", None, True),
        ("first-letter", "", "B", None, False),
        ("first-letter", None, "B", None, False),
        # ours: the same words
        ("exact", "A blue car.", "a blue car", True, True),
        ("exact", "2", "two\n2", True, True),
        ("exact", "two cars", "two\n2", False, False),
        ("exact", None, "two", False, False),
    ],
)
def test_rules(rule: Rule, text: str | None, gold: str, counted: bool | None, really: bool) -> None:
    assert official(rule, text, gold) is counted
    assert strict(rule, text, gold, OPTIONS) is really


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("(B) a blue car", "B"),
        ("**B**", "B"),
        ("B\nbecause", "B"),
        ("The answer is B.", "B"),
        ("Option (B)", "B"),
        ("answer is A. No, the answer is B.", None),
        ("A man", "D"),
        ("A man is there", None),
        ("E", None),
        ("I do not know", None),
        ("the blue car", None),
    ],
)
def test_a_letter_is_read_as_a_person_would(text: str, letter: str | None) -> None:
    assert letter_of(text, OPTIONS) == letter


def polled(*said: tuple[float, str]) -> tuple[Poll, ...]:
    return tuple(Poll(at, "", text) for at, text in said)


@pytest.mark.parametrize(
    ("polls", "counted", "really"),
    [
        (polled((28, "no"), (29, "Yes"), (29, "3")), True, True),
        (polled((27, "yes"), (27, "It is 3 now")), True, True),
        (polled((31, "yes"), (31, "3")), True, True),
        (polled((26, "yes"), (26, "3")), False, False),
        (polled((32, "yes"), (32, "3")), False, False),
        (polled((29, "yes"), (29, "13")), True, False),  # it occurs in 13
        (polled((29, "yes"), (29, "4")), False, False),
        (polled((31, "no 3")), True, False),  # its last answer, though it never spoke up
        ((), False, False),
    ],
)
def test_the_right_moment_is_within_two_seconds(
    polls: tuple[Poll, ...], counted: bool, really: bool
) -> None:
    text = polls[-1].said if polls else None
    assert official("moment", text, "3", polls, 29) is counted
    assert strict("moment", text, "3", (), polls, 29) is really
