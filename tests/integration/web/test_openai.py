"""The OpenAI-compatible door, held against OpenAI's own client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from hermes import errors
from hermes.v1.query_pb2 import ChoiceProbability, Complete, TokenLogprob
from tests.integration.web.conftest import World
from tests.support.fake_worker import HELLO, End, Fail, Hang, Say

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(world: World) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{world.url}/v1", api_key=world.tokens["root"], max_retries=0
    ) as client:
        yield client


@pytest.fixture(autouse=True)
def hello(world: World) -> None:
    world.worker.calls.clear()
    world.worker.merges.clear()
    world.worker.by_camera.clear()
    world.worker.scripts = [HELLO]


def about(url: str, text: str = "What came?") -> list[Any]:
    video = {"type": "video_url", "video_url": {"url": url}}
    return [{"role": "user", "content": [{"type": "text", "text": text}, video]}]


LOBBY: Any = about("camera://lobby")


async def test_an_answer(world: World, client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="hermes", messages=LOBBY, max_completion_tokens=20, temperature=0.5, seed=7, stop="."
    )
    (choice,) = answer.choices
    assert choice.message.role == "assistant"
    assert choice.message.content == "a red car"
    assert (choice.finish_reason, choice.logprobs) == ("stop", None)
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model == "fake-model"
    facts = answer.model_extra["hermes"]  # type: ignore[index]
    assert facts["camera_id"] == "lobby"
    assert facts["coverage"]["frames"] == 30
    assert facts["timings"]["warm_time_to_first_token_s"] == 0.012
    question = world.worker.calls[-1].request.question
    assert (question.text, question.max_tokens) == ("What came?", 20)
    decoding = question.decoding
    assert (decoding.temperature, decoding.seed, list(decoding.stop)) == (0.5, 7, ["."])


async def test_a_stream_is_as_clients_read_it(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="hermes", messages=LOBBY, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert chunks[0].choices[0].delta.role == "assistant"
    *parts, usage = chunks
    assert "".join(chunk.choices[0].delta.content or "" for chunk in parts) == "a red car"
    assert [chunk.choices[0].finish_reason for chunk in parts] == [None] * 4 + ["stop"]
    assert parts[-1].model_extra["hermes"]["epoch"] > 0  # type: ignore[index]
    assert usage.choices == []
    assert usage.usage is not None
    assert usage.usage.total_tokens == 8


async def test_usage_comes_only_if_it_is_asked_for(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="hermes", messages=LOBBY, stream=True, stream_options={}
    )
    chunks = [chunk async for chunk in stream]
    assert all(chunk.choices for chunk in chunks)
    assert {chunk.usage for chunk in chunks} == {None}


@pytest.mark.parametrize("streams", [False, True])
async def test_log_probabilities(world: World, client: openai.AsyncOpenAI, streams: bool) -> None:
    tokens = [TokenLogprob(token=1, text="a é", logprob=-0.5)]
    world.worker.scripts = [[Say("a é"), End(also=Complete(logprobs=tokens))]]
    if streams:
        async with client.chat.completions.stream(
            model="hermes", messages=LOBBY, logprobs=True
        ) as stream:
            answer: Any = await stream.get_final_completion()
    else:
        answer = await client.chat.completions.create(model="hermes", messages=LOBBY, logprobs=True)
    (token,) = answer.choices[0].logprobs.content
    assert (token.token, token.logprob, token.top_logprobs) == ("a é", -0.5, [])
    assert bytes(token.bytes).decode() == "a é"
    assert world.worker.calls[-1].request.question.decoding.logprobs


async def test_json_that_keeps_a_schema(world: World, client: openai.AsyncOpenAI) -> None:
    world.worker.scripts = [[Say('{"people": 2}'), End()]]
    schema: Any = {"type": "object", "properties": {"people": {"type": "integer"}}}
    answer = await client.chat.completions.create(
        model="hermes",
        messages=LOBBY,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "people", "schema": schema, "strict": True},
        },
    )
    assert answer.choices[0].message.content == '{"people": 2}'
    assert '"people"' in world.worker.calls[-1].request.question.json_schema


async def test_choices_have_probabilities(world: World, client: openai.AsyncOpenAI) -> None:
    found = [ChoiceProbability(text="yes", probability=0.75)]
    world.worker.scripts = [[Say("yes"), End(also=Complete(choices=found))]]
    answer = await client.chat.completions.create(
        model="hermes", messages=LOBBY, extra_body={"hermes": {"yes_no": True}}
    )
    (choice,) = answer.model_extra["hermes"]["choices"]  # type: ignore[index]
    assert (choice["text"], choice["probability"]) == ("yes", 0.75)


async def test_a_conversation_goes_on(world: World, client: openai.AsyncOpenAI) -> None:
    await client.chat.completions.create(
        model="hermes",
        messages=[
            {"role": "system", "content": "Be brief."},
            *LOBBY,
            {"role": "assistant", "content": "A car."},
            {"role": "user", "content": "Of which color?"},
        ],
    )
    question = world.worker.calls[-1].request.question
    assert question.camera_id == "lobby"
    assert question.text == "Be brief.\n\nOf which color?"
    assert [(turn.question, turn.answer) for turn in question.turns] == [("What came?", "A car.")]


async def test_several_cameras_are_merged(world: World, client: openai.AsyncOpenAI) -> None:
    world.announce()
    many: Any = about("camera://lobby")
    many[0]["content"].append({"type": "video_url", "video_url": {"url": "camera://dock"}})
    world.worker.by_camera["dock"] = [Fail(errors.CameraNotReady("it is catching up"))]
    answer = await client.chat.completions.create(model="hermes", messages=many)
    facts = answer.model_extra["hermes"]  # type: ignore[index]
    assert facts["cameras"]["lobby"]["text"] == "a red car"
    assert facts["errors"]["dock"]["code"] == "UNAVAILABLE"
    assert answer.choices[0].message.content == "a red car"
    assert len(world.worker.merges) == 1
    listed = await client.chat.completions.create(
        model="hermes", messages=many, stream=True, extra_body={"hermes": {"merge": False}}
    )
    texts = [chunk.choices[0].delta.content async for chunk in listed]
    assert "".join(text or "" for text in texts) == "lobby: a red car"
    assert len(world.worker.merges) == 1


@pytest.mark.parametrize(
    ("changes", "status", "param", "said"),
    [
        ({"messages": [{"role": "user", "content": "What?"}]}, 400, "messages", "camera://lobby"),
        ({"messages": about("https://videos.test/a.mp4")}, 400,
         "messages[0].content[1].video_url.url", "cameras are asked"),
        ({"messages": about("camera://nowhere")}, 404, None, "there is no camera 'nowhere'"),
        ({"model": "gpt-4o"}, 404, "model", "'hermes' asks"),
        ({"n": 2}, 400, "n", "one answer"),
        ({"top_logprobs": 3, "logprobs": True}, 400, "top_logprobs", "log-probabilities"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "tools", "no tools"),
        ({"extra_body": {"wishes": 3}}, 400, "wishes", "not supported"),
        ({"extra_body": {"hermes": {"wishes": 3}}}, 400, "hermes.wishes", ""),
        ({"max_tokens": 100_000}, 400, "max_completion_tokens", "at most"),
    ],
)  # fmt: skip
async def test_what_is_refused_is_named(
    client: openai.AsyncOpenAI, changes: dict[str, Any], status: int, param: str | None, said: str
) -> None:
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(
                **{"model": "hermes", "messages": LOBBY, "stream": stream, **changes}
            )
        assert caught.value.status_code == status
        assert caught.value.param == param
        assert said in caught.value.message


async def test_an_error_in_the_middle_of_a_stream(world: World, client: openai.AsyncOpenAI) -> None:
    world.worker.scripts = [[Say("a "), Fail(errors.AnswerCut("the answer was cut"))]]
    stream = await client.chat.completions.create(model="hermes", messages=LOBBY, stream=True)
    with pytest.raises(openai.APIError, match="was cut") as caught:
        async for _ in stream:
            pass
    assert caught.value.code == "ANSWER_CUT"


async def test_a_token_asks_its_own_cameras(world: World) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{world.url}/v1", api_key=world.tokens["guest"], max_retries=0
    ) as guest:
        with capture_logs() as lines:
            await guest.chat.completions.create(model="hermes", messages=LOBBY)
            await _ended(world)
        (audit,) = [line for line in lines if line["event"] == "audit"]
        assert audit["who"] == "token:guest"
        assert world.tokens["guest"] not in str(lines)
        with pytest.raises(openai.PermissionDeniedError):
            await guest.chat.completions.create(model="hermes", messages=about("camera://dock"))
    async with openai.AsyncOpenAI(
        base_url=f"{world.url}/v1", api_key="hermes_wrong", max_retries=0
    ) as nobody:
        with pytest.raises(openai.AuthenticationError):
            await nobody.chat.completions.create(model="hermes", messages=LOBBY)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [False, True])
async def test_a_client_that_leaves_cancels_its_question(
    world: World, stream: bool, begun: bool
) -> None:
    world.worker.scripts = [[*([Say("a ")] if begun else []), Hang()]]
    body = {"model": "hermes", "messages": LOBBY, "stream": stream}

    async def ask() -> None:
        async with httpx2.AsyncClient(base_url=world.url, headers=world.bearer()) as client:
            await client.post("/v1/chat/completions", json=body)

    asking = asyncio.create_task(ask())
    async with asyncio.timeout(60):
        while not world.worker.calls:
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await world.worker.calls[-1].ended.wait()
    assert world.worker.calls[-1].cancelled_at is not None


async def test_the_models(client: openai.AsyncOpenAI) -> None:
    (model,) = (await client.models.list()).data
    assert model.id == "hermes"
    assert (await client.models.retrieve("hermes")).id == "hermes"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-4o")


async def _ended(world: World) -> None:
    async with asyncio.timeout(60):
        while world.gateway.open_calls:
            await asyncio.sleep(0.01)
