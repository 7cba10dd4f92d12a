"""Answers as chat completions: whole, and in chunks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hermes.client import Answer, ManyResult
from hermes.errors import HermesError, NothingToMerge
from hermes.statuses import code_of
from services.web.openai.request import MODEL

_NOT_FACTS = frozenset({"text", "finish_reason", "question_tokens", "answer_tokens", "logprobs"})
"""What a chat completion has its own fields for."""


def facts_of(answer: Answer) -> dict[str, Any]:
    """What is known about an answer: model, epoch, coverage, evidence, timings ..."""
    names = (name for name in Answer.__dataclass_fields__ if name not in _NOT_FACTS)
    return {name: getattr(answer, name) for name in names}


def failure_of(error: HermesError) -> dict[str, Any]:
    """Why one camera of several does not answer."""
    return {
        "code": code_of(error).name,
        "reason": error.reason,
        "detail": str(error),
        "retry_after_s": getattr(error, "retry_after_s", None),
    }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a question, whether one camera was asked or several."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    model: str
    facts: Mapping[str, Any]
    logprobs: Sequence[Mapping[str, Any]] | None

    @property
    def usage(self) -> dict[str, int]:
        """Tokens of the question and of the answer."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }

    @property
    def shown_logprobs(self) -> dict[str, Any] | None:
        """As a choice has them."""
        return None if self.logprobs is None else {"content": self.logprobs, "refusal": None}


def outcome_of(answer: Answer, camera_id: str, *, logprobs: bool) -> Outcome:
    """Of one camera's answer."""
    tokens = [
        {
            "token": token.text,
            "logprob": token.logprob,
            "bytes": list(token.text.encode()),
            "top_logprobs": [],
        }
        for token in answer.logprobs
    ]
    return Outcome(
        answer.text,
        answer.finish_reason or "stop",
        answer.question_tokens,
        answer.answer_tokens,
        answer.model,
        {"camera_id": camera_id, **facts_of(answer)},
        tokens if logprobs else None,
    )


def outcome_of_many(result: ManyResult, *, merge: bool) -> Outcome:
    """Of several cameras' answers. Raises the error, if there is no answer."""
    merged = result.merged
    if merge and merged is None:
        raise result.merge_error or NothingToMerge("no camera answered")
    if not result.answers:
        raise next(iter(result.errors.values()), NothingToMerge("no camera answered"))
    answers = [*result.answers.values(), *([] if merged is None else [merged])]
    last = answers[-1]
    facts = {
        "cameras": {
            camera_id: {"text": answer.text, **facts_of(answer)}
            for camera_id, answer in result.answers.items()
        },
        "errors": {camera_id: failure_of(error) for camera_id, error in result.errors.items()},
        "merged": None if merged is None else facts_of(merged),
    }
    text = (
        "\n".join(line_of(camera_id, answer) for camera_id, answer in result.answers.items())
        if merged is None
        else merged.text
    )
    return Outcome(
        text,
        last.finish_reason or "stop",
        sum(answer.question_tokens for answer in answers),
        sum(answer.answer_tokens for answer in answers),
        last.model,
        facts,
        None,
    )


def line_of(camera_id: str, answer: Answer) -> str:
    """One camera's answer among those of several."""
    return f"{camera_id}: {answer.text}"


@dataclass(frozen=True, slots=True)
class Completion:
    """The frame of one chat completion: what all of its parts repeat."""

    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, outcome: Outcome) -> dict[str, Any]:
        """The response of a request that does not stream."""
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": outcome.model or MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": outcome.text, "refusal": None},
                    "logprobs": outcome.shown_logprobs,
                    "finish_reason": outcome.finish_reason,
                }
            ],
            "usage": outcome.usage,
            "hermes": outcome.facts,
        }

    def begin(self, *, with_usage: bool) -> dict[str, Any]:
        """The first chunk: the role."""
        return self._chunk({"role": "assistant", "content": ""}, with_usage=with_usage)

    def more(self, text: str, *, with_usage: bool) -> dict[str, Any]:
        """A chunk with more of the text."""
        return self._chunk({"content": text}, with_usage=with_usage)

    def end(self, outcome: Outcome, *, with_usage: bool) -> dict[str, Any]:
        """The chunk that says why the answer ended, with the facts about it."""
        last = self._chunk({}, with_usage=with_usage)
        last["choices"][0] |= {
            "finish_reason": outcome.finish_reason,
            "logprobs": outcome.shown_logprobs,
        }
        return {**last, "model": outcome.model or MODEL, "hermes": outcome.facts}

    def usage(self, outcome: Outcome) -> dict[str, Any]:
        """The last chunk, for those that asked for it."""
        return {**self._chunk({}, with_usage=True), "choices": [], "usage": outcome.usage}

    def _chunk(self, delta: dict[str, Any], *, with_usage: bool) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": MODEL,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}],
            **({"usage": None} if with_usage else {}),
        }
