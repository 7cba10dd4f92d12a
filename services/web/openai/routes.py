"""`POST /v1/chat/completions` and `GET /v1/models`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from pydantic_core import to_json
from starlette.responses import Response

from hermes.client import (
    AsyncAnswerStream,
    AsyncManyAnswers,
    CameraAnswered,
    CameraDelta,
)
from hermes.client.many import MERGED
from hermes.errors import HermesError, as_hermes_error
from services.web.callers import Client, Timeout
from services.web.leaving import while_there
from services.web.openai.asking import ask
from services.web.openai.completion import (
    Completion,
    Outcome,
    line_of,
    outcome_of,
    outcome_of_many,
)
from services.web.openai.conversation import Conversation, conversation_of
from services.web.openai.errors import documented, error_body
from services.web.openai.request import MODEL, ChatRequest, check_supported
from services.web.sse import MEDIA_TYPE as SSE
from services.web.sse import EventStreamResponse, event

DONE = b"data: [DONE]\n\n"
CREATED = 1_764_374_400
"""When the one model was made, as clients want to know it."""

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=documented())

Answers = AsyncAnswerStream | AsyncManyAnswers


@router.get("/models")
async def list_models() -> dict[str, Any]:
    """The one model."""
    return {"object": "list", "data": [_model()]}


@router.get("/models/{model}")
async def get_model(model: str) -> dict[str, Any]:
    """The one model, by its name."""
    check_supported(ChatRequest.model_construct(model=model, messages=[]))
    return _model()


def _model() -> dict[str, Any]:
    return {"id": MODEL, "object": "model", "created": CREATED, "owned_by": "hermes"}


@router.post(
    "/chat/completions",
    response_model=dict[str, Any],
    responses={200: {"content": {SSE: {"schema": {"type": "string"}}}}},
)
async def complete_chat(
    request: Request, body: ChatRequest, client: Client, timeout_s: Timeout
) -> Response:
    """Answer a question about cameras."""
    check_supported(body)
    asked = conversation_of(body.messages)
    answers = ask(client, body, asked, timeout_s)
    if not body.stream:
        outcome = await while_there(request.receive, _outcome(answers, asked, body))
        return Response(to_json(Completion().whole(outcome)), media_type="application/json")
    # The status of HTTP can tell of an error only before the first event is sent.
    first = await while_there(request.receive, _first(answers))
    events = _chunks(answers, first, asked, body)
    return EventStreamResponse(events, ping_s=request.app.state.ping_s)


async def _outcome(answers: Answers, asked: Conversation, body: ChatRequest) -> Outcome:
    async with answers:
        return await _end(answers, asked, body)


async def _end(answers: Answers, asked: Conversation, body: ChatRequest) -> Outcome:
    if isinstance(answers, AsyncManyAnswers):
        return outcome_of_many(await answers.result(), merge=body.hermes.merge)
    return outcome_of(await answers.result(), asked.one or "", logprobs=bool(body.logprobs))


async def _first(answers: Answers) -> str:
    """The first piece of text. Of several cameras nothing but that they are asked."""
    try:
        if isinstance(answers, AsyncManyAnswers):
            await answers.camera_ids()
            return ""
        return await anext(answers, "")
    except BaseException:
        answers.cancel()
        raise


async def _chunks(
    answers: Answers, first: str, asked: Conversation, body: ChatRequest
) -> AsyncIterator[bytes]:
    completion = Completion()
    with_usage = body.stream_options is not None and body.stream_options.include_usage
    begun = event(completion.begin(with_usage=with_usage))
    async with answers:
        try:
            # Together: it is one packet, and the text is not later for the role.
            yield begun + (event(completion.more(first, with_usage=with_usage)) if first else b"")
            async for text in _texts(answers, body):
                yield event(completion.more(text, with_usage=with_usage))
            outcome = await _end(answers, asked, body)
        except HermesError as error:
            yield event(error_body(error)) + DONE
            return
        except Exception as error:
            yield event(error_body(as_hermes_error(error, "streaming an answer"))) + DONE
            return
        last = event(completion.end(outcome, with_usage=with_usage))
        yield last + (event(completion.usage(outcome)) if with_usage else b"") + DONE


async def _texts(answers: Answers, body: ChatRequest) -> AsyncIterator[str]:
    if isinstance(answers, AsyncAnswerStream):
        async for text in answers:
            yield text
        return
    lines = 0
    async for one in answers:
        if isinstance(one, CameraDelta) and one.camera_id == MERGED and one.text:
            yield one.text
        elif isinstance(one, CameraAnswered) and not body.hermes.merge:
            yield ("\n" if lines else "") + line_of(one.camera_id, one.answer)
            lines += 1
