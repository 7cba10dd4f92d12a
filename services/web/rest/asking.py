"""Questions: about one camera or many, whole or as they are written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from hermes.client import (
    Answer,
    AsyncAnswerStream,
    AsyncHermesClient,
    AsyncManyAnswers,
    CameraAnswered,
    CameraDelta,
    Evidence,
    Freshness,
    Sampling,
    Turn,
)
from hermes.errors import HermesError, InvalidInput, as_hermes_error
from services.web.callers import Client, Timeout
from services.web.leaving import while_there
from services.web.moments import SpanInput
from services.web.problems import Problem, documented, problem_of
from services.web.replies import reply
from services.web.rest.cameras import CameraId
from services.web.sse import MEDIA_TYPE as SSE
from services.web.sse import EventStreamResponse, event

router = APIRouter(prefix="/api/v1", tags=["Questions"], responses=documented(404, 409))

Answers = AsyncAnswerStream | AsyncManyAnswers


class TurnInput(BaseModel):
    """An earlier question of a conversation, and its answer."""

    model_config = ConfigDict(extra="forbid")

    question: str
    answer: str


class SamplingInput(BaseModel):
    """How the answer's tokens are chosen. The default is greedy."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    temperature: float = Field(0.0, ge=0)
    top_k: int = Field(0, ge=0, lt=2**32)
    top_p: float = Field(1.0, gt=0, le=1)
    seed: int | None = None
    repetition_penalty: float | None = Field(None, gt=0)
    stop: list[str] = []
    logprobs: bool = False


class QuestionInput(BaseModel):
    """A question. Either `camera`, `cameras` or `selector` says which cameras are asked."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    question: str = Field(examples=["What happened at the door?"])
    camera: str = Field("", description="One camera by its id", examples=["lobby"])
    cameras: list[str] = Field([], description="Several by their ids")
    selector: str = Field("", description="Those with such labels: site=dock")
    merge: bool = Field(False, description="Have one answer made of several cameras' answers")
    stream: bool = Field(False, description="Answer with server-sent events")
    span: SpanInput = SpanInput()
    turns: list[TurnInput] = []
    choices: list[str] = Field([], description="The answer is one of these, with probabilities")
    yes_no: bool = False
    json_schema: dict[str, Any] | bool | None = Field(None, description="The answer keeps it")
    regex: str | None = Field(None, description="The whole answer matches it")
    evidence: int = Field(0, ge=0, lt=2**32, description="Name so many frames that it rests on")
    evidence_pictures: bool = Field(False, description="With their pictures, in base64")
    freshness: Freshness = "latest"
    max_tokens: int = Field(0, ge=0, lt=2**32, description="0: the deployment's default")
    sampling: SamplingInput = SamplingInput()


class ManyAnswered(BaseModel):
    """The answers of several cameras, and why others have none."""

    answers: dict[str, Answer]
    errors: dict[str, Problem]
    merged: Answer | None = None
    merge_error: Problem | None = None


@router.post(
    "/ask",
    response_model=Answer | ManyAnswered,
    responses={200: {"content": {SSE: {"schema": {"type": "string"}}}}},
)
async def ask(
    request: Request, client: Client, timeout_s: Timeout, question: QuestionInput
) -> Response:
    """Ask one camera or several.

    With `stream`: events `delta` (`camera_id`, `text`), and for each camera one `answer` or
    `error`; the merged answer has an empty `camera_id`. The last event is `end`.
    """
    answers = begin(client, question, timeout_s)
    if not question.stream:
        return reply(await while_there(request.receive, _whole(answers)))
    # The status of HTTP can tell of an error only before the first event is sent.
    first = await while_there(request.receive, _first(answers))
    events = _events(answers, first, question.camera)
    return EventStreamResponse(events, ping_s=request.app.state.ping_s)


@router.get("/cameras/{camera_id}/answers/{answer_id}/evidence", response_model=Evidence)
async def evidence(
    request: Request,
    client: Client,
    camera_id: CameraId,
    answer_id: Annotated[str, Path(description="Of the answer")],
    frames: Annotated[int, Query(ge=1, lt=2**32, description="The most that are named")] = 3,
    pictures: Annotated[bool, Query(description="With their pictures, in base64")] = False,
) -> Response:
    """The frames that an answer rests on, up to a minute after it was given."""
    finding = client.evidence(camera_id, answer_id, frames, pictures=pictures)
    return reply(await while_there(request.receive, finding))


def begin(client: AsyncHermesClient, question: QuestionInput, timeout_s: float) -> Answers:
    """Begin to ask. Raises `InvalidInput` for what cannot be sent."""
    ways = [bool(question.camera), bool(question.cameras), bool(question.selector)]
    if sum(ways) != 1:
        raise InvalidInput("camera", "give one of camera, cameras and selector")
    given: dict[str, Any] = {
        name: getattr(question, name)
        for name in (
            *("choices", "yes_no", "json_schema", "regex", "evidence", "evidence_pictures"),
            *("freshness", "max_tokens"),
        )
    }
    sampling = question.sampling.model_dump()
    wanted = Sampling(**{**sampling, "stop": tuple(sampling["stop"])})
    given |= {
        "span": question.span.span("span"),
        "turns": [Turn(turn.question, turn.answer) for turn in question.turns],
        "sampling": None if wanted == Sampling() else wanted,
        "timeout": timeout_s,
    }
    if question.camera:
        if question.merge:
            raise InvalidInput("merge", "is for several cameras")
        return client.ask(question.camera, question.question, **given)
    return client.ask_many(
        question.question,
        cameras=question.cameras,
        selector=question.selector,
        merge=question.merge,
        **given,
    )


async def _whole(answers: Answers) -> Any:
    async with answers:
        if isinstance(answers, AsyncAnswerStream):
            return await answers.result()
        result = await answers.result()
    failed = result.merge_error
    return {
        "answers": result.answers,
        "errors": {camera_id: shown(error) for camera_id, error in result.errors.items()},
        "merged": result.merged,
        "merge_error": None if failed is None else shown(failed),
    }


def shown(error: HermesError) -> dict[str, Any]:
    """Why one camera of several does not answer."""
    return problem_of(error).model_dump(exclude_none=True)


async def _first(answers: Answers) -> str:
    try:
        if isinstance(answers, AsyncAnswerStream):
            return await anext(answers, "")
        await answers.camera_ids()
    except BaseException:
        answers.cancel()
        raise
    return ""


async def _events(answers: Answers, first: str, camera_id: str) -> AsyncIterator[bytes]:
    async with answers:
        try:
            if isinstance(answers, AsyncAnswerStream):
                if first:
                    yield event({"camera_id": camera_id, "text": first}, name="delta")
                async for text in answers:
                    yield event({"camera_id": camera_id, "text": text}, name="delta")
                answer = await answers.result()
                yield event({"camera_id": camera_id, "answer": answer}, name="answer")
            else:
                async for one in answers:
                    yield _event_of(one)
        except HermesError as error:
            yield event({"camera_id": camera_id, "error": shown(error)}, name="error")
        except Exception as error:
            failed = as_hermes_error(error, "streaming an answer")
            yield event({"camera_id": camera_id, "error": shown(failed)}, name="error")
        yield event({}, name="end")


def _event_of(one: Any) -> bytes:
    if isinstance(one, CameraDelta):
        return event({"camera_id": one.camera_id, "text": one.text}, name="delta")
    if isinstance(one, CameraAnswered):
        return event({"camera_id": one.camera_id, "answer": one.answer}, name="answer")
    return event({"camera_id": one.camera_id, "error": shown(one.error)}, name="error")
