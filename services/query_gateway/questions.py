"""The rules that a question must keep."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from hermes import question as value
from hermes.errors import InvalidInput, Unsupported
from hermes.question_message import all_known, question_of
from hermes.sampling import GREEDY
from hermes.v1 import query_pb2
from hermes.v1.query_pb2 import (
    Freshness,
    QueryServiceAskRequest,
    QueryServiceGetEvidenceRequest,
    Question,
)
from services.common.cameras import check_id

MAX_ANSWER_ID_CHARS = 128


@dataclass(frozen=True, slots=True)
class QuestionRules:
    """Limits on questions.

    `max_chars`: of the text, and of the question of each earlier turn. `max_tokens`:
    of the answer. `max_turn_chars`: of all earlier turns together. `max_form_chars`:
    of a JSON Schema or a regular expression. `max_evidence`: frames that may be named.
    """

    max_chars: int
    max_tokens: int
    max_turn_chars: int = 32_768
    max_form_chars: int = value.MAX_GRAMMAR_CHARACTERS
    max_evidence: int = value.MAX_EVIDENCE_FRAMES

    def check(self, request: QueryServiceAskRequest) -> Question:
        """The question of a request. Raises `InvalidInput` with the field that breaks a rule."""
        if not request.HasField("question"):
            raise InvalidInput("question", "is missing")
        question = request.question
        check_id(question.camera_id, "question.camera_id")
        if question.HasField("cameras"):
            raise InvalidInput("question.cameras", "is for AskMany: Ask is about one camera_id")
        self.check_content(question)
        return question

    def check_content(self, question: Question) -> None:
        """Check everything but which cameras are asked. Raises `InvalidInput`, and `Unsupported`
        if the client is newer than this gateway, and asks for what is not known here.
        """
        if not all_known(question):
            raise Unsupported(
                "this gateway is older than the client and does not know all of what is asked:"
                " update it"
            )
        if not question.text.strip():
            raise InvalidInput("question.text", "is empty")
        _check_length("question.text", question.text, self.max_chars)
        if question.max_tokens > self.max_tokens:
            raise InvalidInput("question.max_tokens", f"at most {self.max_tokens} are allowed")
        if question.freshness not in Freshness.values():
            raise InvalidInput("question.freshness", "is not a known freshness")
        self._check_turns(question)
        self._check_form(question)
        self.check_evidence(question.evidence, "question.evidence")
        _check_together(question_of(question, now_ms=0))

    def check_evidence(self, evidence: query_pb2.EvidenceRequest, field: str) -> None:
        """Check how many frames are asked for. Raises `InvalidInput`."""
        if evidence.frames > self.max_evidence:
            raise InvalidInput(f"{field}.frames", f"at most {self.max_evidence} are allowed")
        if evidence.pictures and not evidence.frames:
            raise InvalidInput(f"{field}.frames", "is 0, so there are no pictures to send")

    def check_later(self, request: QueryServiceGetEvidenceRequest) -> None:
        """Check a request for the evidence of an answer. Raises `InvalidInput`."""
        check_id(request.camera_id)
        if not request.answer_id:
            raise InvalidInput("answer_id", "is empty")
        _check_length("answer_id", request.answer_id, MAX_ANSWER_ID_CHARS)
        if not request.evidence.frames:
            raise InvalidInput("evidence.frames", "must be 1 or more")
        self.check_evidence(request.evidence, "evidence")

    def _check_turns(self, question: Question) -> None:
        for number, turn in enumerate(question.turns):
            field = f"question.turns[{number}].question"
            if not turn.question.strip():
                raise InvalidInput(field, "is empty")
            _check_length(field, turn.question, self.max_chars)
        together = sum(len(turn.question) + len(turn.answer) for turn in question.turns)
        if together > self.max_turn_chars:
            raise InvalidInput(
                "question.turns",
                f"have {together} characters together; at most {self.max_turn_chars} are allowed",
            )

    def _check_form(self, question: Question) -> None:
        _check_length("question.regex", question.regex, self.max_form_chars)
        _check_length("question.json_schema", question.json_schema, self.max_form_chars)
        if question.json_schema.strip():
            _check_json(question.json_schema)


def _check_length(field: str, text: str, most: int) -> None:
    if len(text) > most:
        raise InvalidInput(field, f"has {len(text)} characters; at most {most} are allowed")


def _check_json(schema: str) -> None:
    """Refuse what is no JSON at all; which schemas can be kept, the worker knows."""
    field = "question.json_schema"
    try:
        parsed = json.loads(schema)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            field, f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except (RecursionError, ValueError):  # too deep, or a number with thousands of digits
        raise InvalidInput(field, "is nested too deeply, or has too long a number") from None
    if not isinstance(parsed, dict | bool):
        raise InvalidInput(field, "is JSON, but no schema: that is an object, true or false")


def _check_together(question: value.Question) -> None:
    """Refuse fields that contradict each other."""
    sampling = question.sampling
    if isinstance(question.form, value.Choices):
        if question.max_tokens:
            raise InvalidInput("question.max_tokens", "has no meaning with choices: leave it at 0")
        if sampling != GREEDY:
            raise InvalidInput(
                "question.decoding", "has no meaning with choices: nothing is decoded"
            )
    if question.form is not None and sampling != replace(sampling, stop=()):
        raise InvalidInput(
            "question.decoding.stop", "would cut an answer that must keep a schema or a pattern"
        )
