"""A question's message as the value that the engine takes. No torch: the gateway checks with it."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from hermes.errors import InvalidInput
from hermes.question import Choices, Form, JsonSchema, Question, Regex, Span, Turn
from hermes.sampling import GREEDY, Sampling
from hermes.v1 import query_pb2

_LATEST_S = 253_402_300_799  # the end of the year 9999, the bound of google.protobuf.Timestamp
_LONGEST_S = 315_576_000_000  # 10,000 years, the bound of google.protobuf.Duration
_NANOS = 1_000_000_000


def question_of(message: query_pb2.Question, now_ms: int) -> Question:
    """The value of a message. Raises `InvalidInput`, which names the field.

    `now_ms`: when the question came in (Unix time), where `span.last` ends.
    """
    return Question(
        text=message.text,
        max_tokens=message.max_tokens,
        turns=tuple(Turn(turn.question, turn.answer) for turn in message.turns),
        span=_span_of(message.span, now_ms) if message.HasField("span") else None,
        form=_form_of(message),
        evidence=message.evidence.frames,
        sampling=_sampling_of(message.decoding) if message.HasField("decoding") else GREEDY,
    )


def all_known(message: query_pb2.Question) -> bool:
    """Whether this version knows every part of the message, at any depth.

    Without a part that a later version added it would be another question.
    """
    known = query_pb2.Question()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known.ByteSize() == message.ByteSize()


def _span_of(span: query_pb2.QuestionSpan, now_ms: int) -> Span:
    kinds = {"last": ("last",), "capture": ("start", "end"), "media": ("media_start", "media_end")}
    given = [kind for kind, names in kinds.items() if any(span.HasField(name) for name in names)]
    if not given:
        raise InvalidInput("question.span", "is empty: name last, start, end or a media time")
    if len(given) > 1:
        raise InvalidInput(
            "question.span", "mixes last, capture time and media time: name one of them"
        )
    if given == ["last"]:
        length = _length(span, "last")
        if not length:
            raise InvalidInput("question.span.last", "must be more than 0")
        return Span(max(0, now_ms - length), now_ms)
    if given == ["capture"]:
        return Span(_moment(span, "start"), _moment(span, "end"))
    return Span(_length(span, "media_start"), _length(span, "media_end"), media=True)


def _moment(span: query_pb2.QuestionSpan, name: str) -> int | None:
    """A timestamp in ms since the Unix epoch."""
    return _milliseconds(span, name, _LATEST_S, "must be a time from 1970 to 9999")


def _length(span: query_pb2.QuestionSpan, name: str) -> int | None:
    """A duration in ms."""
    return _milliseconds(span, name, _LONGEST_S, "must be 0 or more, and at most 10,000 years")


def _milliseconds(span: Message, name: str, most_s: int, rule: str) -> int | None:
    if not span.HasField(name):
        return None
    given: Any = getattr(span, name)
    if not (0 <= given.seconds <= most_s and 0 <= given.nanos < _NANOS):
        raise InvalidInput(f"question.span.{name}", rule)
    return int(given.seconds * 1000 + given.nanos // 1_000_000)


def _form_of(message: query_pb2.Question) -> Form | None:
    match message.WhichOneof("form"):
        case "choices":
            return Choices(tuple(message.choices.texts))
        case "json_schema":
            return JsonSchema(message.json_schema)
        case "regex":
            return Regex(message.regex)
        case _:
            return None


def _sampling_of(decoding: query_pb2.Decoding) -> Sampling:
    penalty = decoding.repetition_penalty if decoding.HasField("repetition_penalty") else None
    try:
        return Sampling(
            temperature=decoding.temperature,
            top_k=decoding.top_k,
            top_p=decoding.top_p or 1.0,  # unset: all
            seed=decoding.seed if decoding.HasField("seed") else None,
            repetition_penalty=penalty,
            stop=tuple(decoding.stop),
            logprobs=decoding.logprobs,
        )
    except InvalidInput as error:
        raise InvalidInput(f"question.decoding.{error.field}", error.message) from None
