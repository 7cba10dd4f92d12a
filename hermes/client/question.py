"""The message of a question, from what a caller gives to `ask`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hermes.client.spans import AskedSpan, span_message
from hermes.errors import InvalidInput
from hermes.question import Turn
from hermes.sampling import Sampling
from hermes.v1 import query_pb2

YES_NO = ("yes", "no")

Schema = Mapping[str, Any] | bool | str
"""A JSON Schema: as Python values, or as JSON text."""

_FRESHNESS: dict[str, query_pb2.Freshness] = {
    "latest": query_pb2.FRESHNESS_LATEST,
    "cached": query_pb2.FRESHNESS_CACHED,
}


def question_message(
    text: str,
    *,
    max_tokens: int = 0,
    freshness: str = "latest",
    span: AskedSpan | None = None,
    turns: Sequence[Turn] = (),
    choices: Sequence[str] = (),
    yes_no: bool = False,
    json_schema: Schema | None = None,
    regex: str | None = None,
    evidence: int = 0,
    evidence_pictures: bool = False,
    sampling: Sampling | None = None,
) -> query_pb2.Question:
    """The message, which names no camera yet. Raises `InvalidInput` for what cannot be sent."""
    if freshness not in _FRESHNESS:
        raise InvalidInput("question.freshness", f"is one of {', '.join(_FRESHNESS)}")
    message = query_pb2.Question(
        text=checked_text("question.text", text),
        max_tokens=_count("question.max_tokens", max_tokens, "the default"),
        freshness=_FRESHNESS[freshness],
    )
    if span is not None:
        message.span.CopyFrom(span_message(span))
    for number, turn in enumerate(turns):
        field = f"question.turns[{number}]"
        message.turns.add(
            question=checked_text(f"{field}.question", turn.question),
            answer=checked_text(f"{field}.answer", turn.answer),
        )
    _add_form(message, choices, yes_no, json_schema, regex)
    if evidence or evidence_pictures:
        message.evidence.CopyFrom(evidence_message(evidence, evidence_pictures, "question."))
    if sampling is not None:
        message.decoding.CopyFrom(_decoding(sampling))
    return message


def evidence_message(frames: int, pictures: bool, path: str = "") -> query_pb2.EvidenceRequest:
    """How many frames are to be named. `path`: of the request in the call's message."""
    counted = _count(f"{path}evidence.frames", frames, "no evidence")
    return query_pb2.EvidenceRequest(frames=counted, pictures=pictures)


def checked_text(field: str, text: str) -> str:
    """The text. Bytes of a command line that are no UTF-8 come as lone surrogates: not sendable."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            field, f"holds bytes that are not UTF-8, at character {error.start + 1}"
        ) from None
    return text


def _add_form(
    message: query_pb2.Question,
    choices: Sequence[str],
    yes_no: bool,
    json_schema: Schema | None,
    regex: str | None,
) -> None:
    given = [bool(choices), yes_no, json_schema is not None, regex is not None]
    if sum(given) > 1:
        raise InvalidInput(
            "question.form", "is one of choices, yes_no, json_schema and regex, not several"
        )
    if isinstance(choices, str):
        raise InvalidInput("question.choices", "is a list of texts, not one text")
    for text in choices or (YES_NO if yes_no else ()):
        message.choices.texts.append(checked_text("question.choices", text))
    if json_schema is not None:
        message.json_schema = checked_text("question.json_schema", _schema_text(json_schema))
    if regex is not None:
        message.regex = checked_text("question.regex", regex)


def _schema_text(schema: Schema) -> str:
    if isinstance(schema, str):
        return schema
    try:
        return json.dumps(schema, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("question.json_schema", f"is no JSON: {error}") from None


def _decoding(sampling: Sampling) -> query_pb2.Decoding:
    message = query_pb2.Decoding(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=_count("question.decoding.top_k", sampling.top_k, "all tokens"),
        stop=[checked_text("question.decoding.stop", text) for text in sampling.stop],
        logprobs=sampling.logprobs,
    )
    if sampling.seed is not None:
        message.seed = sampling.seed
    if sampling.repetition_penalty is not None:
        message.repetition_penalty = sampling.repetition_penalty
    return message


def _count(field: str, number: int, zero: str) -> int:
    if not 0 <= number < 2**32:
        raise InvalidInput(field, f"must be 0 ({zero}) or more")
    return number
