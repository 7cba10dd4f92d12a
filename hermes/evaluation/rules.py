"""Whether an answer is right: by each benchmark's own scorer, and strictly.

The scorers of the benchmarks are reproduced with their quirks, so that figures can be compared:

    first-character   StreamingBench `count.py`: the first character is the right letter; an empty
                      answer is left out of the count
    letter-within     OVO-Bench `OVOBenchScore.py`: the right letter occurs anywhere, so "Answer: B"
                      is right where A is
    joined-digits     the same: all digits of the answer, joined, are the count
    yes-no            the same: "Yes" or "No" occurs, or the answer is "Y" or "N"
    moment            StreamingBench `count.py`: the last answer came within 2 s of the right
                      moment, and the output that is wanted occurs in it
    first-letter      Video-MME `eval_your_results.py`: the first of A, B, C, D once usual openings
                      are taken away; an answer without one is left out of the count
    exact             ours: the same words, whatever their case and punctuation
    judged            another model decides (`hermes.evaluation.judge`)

The strict scorer reads the answer as a person would, and leaves nothing out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hermes.evaluation.item import Poll, Rule

TOLERANCE_S = 2.0

_OPENINGS = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option isThe correct option is",  # as there: two texts without a comma between them
    "Best answer:Best option:",
)
_ENDS = r"(?=\s*(?:$|[.:,;)\]*\n]))"
_ALONE = re.compile(rf"^[\s(\[*\"'`]*([A-Z])['\"`]?{_ENDS}")
_NAMED = re.compile(
    rf"\b(?i:answer|option|choice)(?:\s+is)?\s*:?\s*[(\[*\"'`]*([A-Z])['\"`]?{_ENDS}"
)
_NUMBER = re.compile(r"\d+")
_WORDS = re.compile(r"\w+")
_YES_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)


def official(
    rule: Rule, text: str | None, gold: str, polls: Sequence[Poll] = (), right_s: float = 0.0
) -> bool | None:
    """By the benchmark's own scorer. None: it leaves the answer out of its count.

    `polls`, `right_s`: of a watched item, when it was asked and when it should have been answered.
    """
    match rule:
        case "first-character":
            return text[0] == gold if text else None
        case "first-letter":
            letter = _first_letter(text or "")
            return None if letter is None else letter == gold
        case "letter-within":
            return text is not None and gold in text
        case "joined-digits":
            return text is not None and "".join(_NUMBER.findall(text)) == gold
        case "yes-no":
            return text is not None and (text == gold[0] or gold in text)
        case "moment":
            return in_time(polls, right_s) and gold in polls[-1].said
        case "exact":
            return strict(rule, text, gold)
        case "judged":
            return None


def strict(
    rule: Rule,
    text: str | None,
    gold: str,
    options: Sequence[str] = (),
    polls: Sequence[Poll] = (),
    right_s: float = 0.0,
) -> bool:
    """As a person would judge. An answer that says nothing, or several things, is wrong."""
    if text is None:
        return False
    match rule:
        case "first-character" | "letter-within" | "first-letter":
            return letter_of(text, options) == gold
        case "joined-digits":
            return _NUMBER.findall(text) == [gold]
        case "yes-no":
            said = {word.lower() for word in _YES_NO.findall(text)}
            return said == {gold.lower()} or text.strip(" .\n") == gold[0]
        case "moment":
            return spoke(polls) and in_time(polls, right_s) and _holds(polls[-1].said, gold)
        case "exact":
            return any(_same(text, one) for one in gold.split("\n"))
        case "judged":
            return False


def letter_of(text: str, options: Sequence[str]) -> str | None:
    """The letter that an answer chooses: the one it begins with, or that it names as its answer, or
    that of the option whose text it is. None if there is no such letter, or several.
    """
    known = [chr(ord("A") + number) for number in range(len(options))]
    if (alone := _ALONE.match(text)) and alone[1] in known:
        return str(alone[1])
    named = [letter for letter in known if letter in _NAMED.findall(text)]
    if len(named) == 1:
        return named[0]
    same = [letter for letter, option in zip(known, options, strict=True) if _same(text, option)]
    return same[0] if len(same) == 1 else None


def says_yes(text: str) -> bool:
    """Whether a poll was answered with yes, as StreamingBench's code decides it."""
    return "yes" in text.strip().lower()


def spoke(polls: Sequence[Poll]) -> bool:
    """Whether a watched item was answered at all: its last two polls are of one moment."""
    return len(polls) > 1 and polls[-1].at_s == polls[-2].at_s


def in_time(polls: Sequence[Poll], right_s: float) -> bool:
    """Whether the last poll was within the tolerance of the right moment."""
    return bool(polls) and abs(polls[-1].at_s - right_s) <= TOLERANCE_S


def _first_letter(text: str) -> str | None:
    text = text.strip()
    for opening in _OPENINGS:
        text = text.replace(opening, "")
    found = re.search("[ABCD]", text)
    return None if found is None else str(found[0])


def _same(one: str, other: str) -> bool:
    return _plain(one) == _plain(other) != []


def _holds(text: str, wanted: str) -> bool:
    """Whether the words that are wanted occur in the text, in a row."""
    words, own = _plain(text), _plain(wanted)
    return any(words[at : at + len(own)] == own for at in range(len(words) - len(own) + 1))


def _plain(text: str) -> list[str]:
    return _WORDS.findall(text.lower())
