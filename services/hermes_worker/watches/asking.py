"""What a watch asks, and what an answer to it says."""

from __future__ import annotations

import re

from hermes.engine import AnswerResult
from hermes.question import Choices, Form, Question, Regex
from hermes.v1.watch_pb2 import Watch
from services.hermes_worker.watches.conditions import Reading

YES, NO = "yes", "no"
DIGITS = 9
"""Digits before the point of a number, at most."""
DIARY_TOKENS = 64
"""Of a note, unless the watch says otherwise, and the engine allows as many."""


class NoReading(Exception):
    """An answer that says nothing: a number outside the watch's limits."""


def question_of(watch: Watch, most_tokens: int) -> Question:
    """What the watch asks. `most_tokens`: of an answer, as the engine allows it."""
    form = watch.WhichOneof("form")
    if form == "diary":
        return Question(watch.text, watch.diary.max_tokens or min(DIARY_TOKENS, most_tokens))
    return Question(watch.text, form=_form(watch))


def _form(watch: Watch) -> Form:
    if watch.WhichOneof("form") == "choices":
        return Choices(tuple(watch.choices.texts))
    if watch.WhichOneof("form") == "yes_no":
        return Choices((YES, NO))
    number = watch.number
    sign = "" if number.HasField("least") and number.least >= 0 else "-?"
    point = rf"(\.[0-9]{{1,{number.decimals}}})?" if number.decimals else ""
    return Regex(rf"{sign}[0-9]{{1,{DIGITS}}}{point}")


def reading_of(watch: Watch, text: str, result: AnswerResult, after_ms: int | None) -> Reading:
    """What an answer says. `after_ms`: the reading before it. Raises `NoReading`."""
    covered = result.coverage
    at_ms = covered.end_ms or 0
    gap = after_ms is not None and any(after_ms < end for _, end in covered.gaps)
    if watch.WhichOneof("form") == "number":
        return Reading(at_ms, _number(watch, text), after_gap=gap)
    choices = {choice.text: choice.probability for choice in result.choices}
    if watch.WhichOneof("form") == "yes_no":
        return Reading(at_ms, choices.get(YES, 0.0), choices, gap)
    return Reading(at_ms, max(choices.values(), default=0.0), choices, gap)


def _number(watch: Watch, text: str) -> float:
    if not re.fullmatch(r"\s*-?[0-9]+(\.[0-9]+)?\s*", text):
        raise NoReading("is no number")
    value, limits = float(text), watch.number
    if limits.HasField("least") and value < limits.least:
        raise NoReading(f"is less than {limits.least:g}")
    if limits.HasField("most") and value > limits.most:
        raise NoReading(f"is more than {limits.most:g}")
    return value
