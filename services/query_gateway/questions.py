"""The rules that a question must keep."""

from __future__ import annotations

from dataclasses import dataclass

from hermes.errors import InvalidInput
from hermes.v1.query_pb2 import Freshness, QueryServiceAskRequest, Question
from services.common.cameras import check_id


@dataclass(frozen=True, slots=True)
class QuestionRules:
    """Limits on questions: characters of text, tokens of answer."""

    max_chars: int
    max_tokens: int

    def check(self, request: QueryServiceAskRequest) -> Question:
        """The question of a request. Raises `InvalidInput` with the field that breaks a rule."""
        if not request.HasField("question"):
            raise InvalidInput("question", "is missing")
        question = request.question
        check_id(question.camera_id, "question.camera_id")
        if not question.text.strip():
            raise InvalidInput("question.text", "is empty")
        if len(question.text) > self.max_chars:
            raise InvalidInput(
                "question.text",
                f"has {len(question.text)} characters; at most {self.max_chars} are allowed",
            )
        if question.max_tokens > self.max_tokens:
            raise InvalidInput("question.max_tokens", f"at most {self.max_tokens} are allowed")
        if question.freshness not in Freshness.values():
            raise InvalidInput("question.freshness", "is not a known freshness")
        return question
