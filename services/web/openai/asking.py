"""A chat completion as a call of the gateway."""

from __future__ import annotations

from typing import Any

from hermes.client import AsyncAnswerStream, AsyncHermesClient, AsyncManyAnswers, Sampling
from hermes.errors import InvalidInput
from services.web.openai.conversation import Conversation
from services.web.openai.request import ChatRequest

OURS = {
    "question.text": "messages",
    "question.max_tokens": "max_completion_tokens",
    "question.json_schema": "response_format.json_schema.schema",
    "question.choices": "hermes.choices",
    "question.regex": "hermes.regex",
    "question.evidence.frames": "hermes.evidence",
    "question.decoding": "temperature",
    "question.decoding.stop": "stop",
    "question.form": "response_format",
    "question.camera_id": "messages",
    "question.span": "messages",
    "question.turns": "messages",
    "camera_id": "messages",
}
"""Fields of the gateway as they are called here."""


def ask(
    client: AsyncHermesClient, request: ChatRequest, asked: Conversation, timeout_s: float
) -> AsyncAnswerStream | AsyncManyAnswers:
    """Begin to ask. Raises `InvalidInput` for what cannot be sent."""
    given: dict[str, Any] = {
        "max_tokens": _max_tokens(request),
        "freshness": request.hermes.freshness,
        "span": asked.span,
        "turns": asked.turns,
        "choices": tuple(request.hermes.choices),
        "yes_no": request.hermes.yes_no,
        "regex": request.hermes.regex,
        "json_schema": _schema(request),
        "evidence": request.hermes.evidence,
        "evidence_pictures": request.hermes.evidence_pictures,
        "sampling": _sampling(request),
        "timeout": timeout_s,
    }
    if (camera_id := asked.one) is not None:
        return client.ask(camera_id, asked.text, **given)
    if given["json_schema"] is not None or given["regex"] is not None:
        raise InvalidInput(
            "response_format",
            "several cameras have no one JSON: ask each by itself, or POST /api/v1/ask",
        )
    if request.logprobs:
        raise InvalidInput("logprobs", "is not supported with several cameras")
    return client.ask_many(
        asked.text,
        cameras=asked.camera_ids,
        selector=asked.selector,
        merge=request.hermes.merge,
        **given,
    )


def _max_tokens(request: ChatRequest) -> int:
    limits = (request.max_completion_tokens, request.max_tokens)
    if None not in limits and limits[0] != limits[1]:
        raise InvalidInput("max_tokens", "is another name of max_completion_tokens: give one")
    return limits[0] or limits[1] or 0


def _schema(request: ChatRequest) -> Any:
    form = request.response_format
    if form is None or form.type == "text":
        return None
    if form.json_schema is None:
        return {"type": "object"}
    return form.json_schema.schema_


def _sampling(request: ChatRequest) -> Sampling | None:
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    wanted = Sampling(
        temperature=request.temperature or 0.0,
        top_k=max(0, request.top_k or 0),
        top_p=1.0 if request.top_p is None else request.top_p,
        seed=request.seed,
        repetition_penalty=request.repetition_penalty,
        stop=tuple(stop),
        logprobs=bool(request.logprobs),
    )
    return None if wanted == Sampling() else wanted
