"""Every kind of question on its way through a real gateway: what was asked, and what comes back."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import redis
from google.protobuf.text_format import Parse
from structlog.testing import capture_logs

from hermes import errors
from hermes.choices import ChoiceProbability
from hermes.client import (
    AsyncHermesClient,
    HermesClient,
    Sampling,
    Span,
    SpanCoverage,
    TokenLogprob,
    Turn,
    between,
    in_file,
    last,
)
from hermes.v1.query_pb2 import (
    FRESHNESS_LATEST,
    Complete,
    Evidence,
    EvidenceRequest,
    Question,
    QuestionSpan,
)
from hermes.v1.worker_pb2 import WorkerServiceGetEvidenceRequest
from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import End, Fail, FakeWorker, Find, Hang, Say
from tests.support.gateway import running_gateway
from tests.support.tokens import write_tokens

TEN = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
EVERYTHING = """
    answer_id: "5-17"
    span {
      span { start { seconds: 60 } end { seconds: 100 } }
      frames: 7 whole { seconds: 10 } thinned { seconds: 5 } forgotten { seconds: 20 }
      unseen { seconds: 5 } media_start { seconds: 1 } media_end { seconds: 41 }
    }
    choices { text: "yes" probability: 0.9 logprob: -0.1 tokens: 2 }
    choices { text: "no" probability: 0.1 logprob: -2.3 tokens: 2 }
    evidence {
      logprob: -1 largest_fall: 2.5 readings: 12
      frames {
        captured { seconds: 61 } media { seconds: 2 } frame: 4 logprob_without: -3 picture: "jpeg"
      }
      frames { captured { seconds: 62 } frame: 5 logprob_without: -1.5 }
    }
    dropped_turns: 2
    logprobs { token: 9 text: "yes" logprob: -0.1 }
"""


def complete(text: str) -> Complete:
    return Parse(text, Complete())


SPAN = complete("span { span { start {} end { seconds: 5 } } unseen { seconds: 5 } }")
CHOICES = complete('choices { text: "yes" probability: 1 } choices { text: "no" }')


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {}),
        ({"span": last(minutes=10)}, {"span": {"last": timedelta(seconds=600)}}),
        (
            {"span": between(TEN, TEN + timedelta(seconds=5))},
            {"span": {"start": TEN, "end": TEN + timedelta(seconds=5)}},
        ),
        ({"span": between(end=TEN)}, {"span": {"end": TEN}}),
        ({"span": in_file(80, 125.5)}, {"span": {"media_start": 80.0, "media_end": 125.5}}),
        (
            {"turns": [Turn("who?", "a star")]},
            {"turns": [{"question": "who?", "answer": "a star"}]},
        ),
        ({"choices": ["up", "down"]}, {"choices": {"texts": ["up", "down"]}}),
        ({"yes_no": True}, {"choices": {"texts": ["yes", "no"]}}),
        ({"json_schema": {"type": "integer"}}, {"json_schema": '{"type": "integer"}'}),
        ({"json_schema": '{"enum":["ä"]}'}, {"json_schema": '{"enum":["ä"]}'}),
        ({"regex": "[0-9]+"}, {"regex": "[0-9]+"}),
        ({"evidence": 3}, {"evidence": {"frames": 3}}),
        (
            {"evidence": 3, "evidence_pictures": True},
            {"evidence": {"frames": 3, "pictures": True}},
        ),
        ({"sampling": Sampling()}, {"decoding": {"top_p": 1.0}}),
        (
            {"sampling": Sampling(0.5, 4, 0.9, 0, 1.1, ("\n",), True)},
            {
                "decoding": {
                    "temperature": 0.5,
                    "top_k": 4,
                    "top_p": 0.9,
                    "seed": 0,
                    "repetition_penalty": 1.1,
                    "stop": ["\n"],
                    "logprobs": True,
                }
            },
        ),
    ],
    ids=lambda value: ",".join(value) or "plain",
)
async def test_what_is_asked_reaches_the_worker(
    client: AsyncHermesClient,
    worker: FakeWorker,
    lobby: str,
    given: dict[str, Any],
    sent: dict[str, Any],
) -> None:
    worker.scripts = [[End(also=complete(EVERYTHING))]]
    await client.ask("lobby", "what?", **given).result()
    (seen,) = worker.calls
    wanted = Question(camera_id="lobby", text="what?", freshness=FRESHNESS_LATEST)
    if span := sent.pop("span", None):
        wanted.span.CopyFrom(_span(**span))
    wanted.MergeFrom(Question(**sent))
    assert seen.request.question == wanted


def _span(**times: datetime | timedelta | float) -> QuestionSpan:
    message = QuestionSpan()
    for name, time in times.items():
        field = getattr(message, name)
        if isinstance(time, datetime):
            field.FromDatetime(time)
        else:
            field.FromTimedelta(time if isinstance(time, timedelta) else timedelta(seconds=time))
    return message


async def test_everything_that_an_answer_reports_reaches_the_client(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("yes"), End(also=complete(EVERYTHING))]]
    answer = await client.ask("lobby", "what?", span=last(minutes=1), yes_no=True).result()
    assert (answer.answer_id, answer.dropped_turns) == ("5-17", 2)
    at = datetime.fromtimestamp
    assert answer.span == SpanCoverage(
        Span(at(60, UTC), at(100, UTC)), 7, 10.0, 5.0, 20.0, 5.0, 1.0, 41.0
    )
    assert answer.choices == (
        ChoiceProbability("yes", 0.9, -0.1, 2),
        ChoiceProbability("no", 0.1, -2.3, 2),
    )
    assert answer.logprobs == (TokenLogprob(9, "yes", -0.1),)
    evidence = answer.evidence
    assert evidence is not None
    assert (evidence.logprob, evidence.largest_fall, evidence.readings) == (-1, 2.5, 12)
    first, second = evidence.frames
    assert (first.captured, first.media_s, first.frame) == (at(61, UTC), 2.0, 4)
    assert (first.fall, first.picture) == (2.0, b"jpeg")
    assert first.times_less_likely == pytest.approx(math.e**2)
    assert (second.media_s, second.fall, second.picture) == (None, 0.5, b"")


async def test_an_answer_with_a_schema_is_read(
    client: AsyncHermesClient, gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say('{"count": '), Say("3}"), End()]]
    answer = await client.ask("lobby", "how many?", json_schema={"type": "object"}).result()
    assert answer.json() == {"count": 3}
    await client.ask("lobby", "how many?").result()
    count = gateway.metrics.registry.get_sample_value
    forms = ("json_schema", "text", "regex")
    counted = [count("hermes_question_forms_total", {"form": form}) for form in forms]
    assert counted == [1, 1, None]


@pytest.mark.parametrize(
    ("given", "kept", "ignored"),
    [
        ({"span": last(minutes=1)}, Complete(), "span"),
        ({"yes_no": True}, Complete(), "choices"),
        ({"span": last(minutes=1), "yes_no": True}, SPAN, "choices"),
        ({"span": last(minutes=1), "yes_no": True}, CHOICES, "span"),
        ({"span": last(minutes=1), "yes_no": True}, Complete(), "span and choices"),
    ],
)
async def test_an_older_worker_does_not_answer_another_question_unnoticed(
    client: AsyncHermesClient,
    gateway: Gateway,
    worker: FakeWorker,
    lobby: str,
    given: dict[str, Any],
    kept: Complete,
    ignored: str,
) -> None:
    worker.scripts = [[Say("a car"), End(also=kept)]]
    with pytest.raises(errors.Unsupported, match=f"question's {ignored}$"):
        await client.ask("lobby", "what?", **given).result()

    def blocking() -> None:
        with HermesClient(f"127.0.0.1:{gateway.port}") as other:
            stream = other.ask("lobby", "what?", **given)
            with pytest.raises(errors.Unsupported, match=ignored):
                list(stream)

    await asyncio.to_thread(blocking)


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("question.form", lambda c: c.ask("a", "b", yes_no=True, regex="c")),
        ("question.form", lambda c: c.ask("a", "b", choices=["c"], json_schema={})),
        ("question.choices", lambda c: c.ask("a", "b", choices="yes")),
        ("question.choices", lambda c: c.ask("a", "b", choices=["yes", "n\udcff"])),
        ("question.regex", lambda c: c.ask("a", "b", regex="\udcff")),
        ("question.json_schema", lambda c: c.ask("a", "b", json_schema={"a": {1, 2}})),
        ("question.json_schema", lambda c: c.ask("a", "b", json_schema={"a": math.nan})),
        ("question.turns[0].answer", lambda c: c.ask("a", "b", turns=[Turn("c", "\udcff")])),
        ("question.decoding.stop", lambda c: c.ask("a", "b", sampling=Sampling(stop=("\udcff",)))),
        ("question.evidence.frames", lambda c: c.ask("a", "b", evidence=-1)),
        ("question.span.last", lambda c: c.ask("a", "b", span=last(days=math.inf))),
        ("question.span.start", lambda c: c.ask("a", "b", span=between(datetime(2026, 1, 1)))),
        ("question.span.media_end", lambda c: c.ask("a", "b", span=in_file(0, math.inf))),
        ("answer_id", lambda c: c.evidence("a", "\udcff")),
        ("evidence.frames", lambda c: c.evidence("a", "b", -1)),
    ],
)
async def test_what_cannot_be_sent_is_named(field: str, call: Callable[[Any], Any]) -> None:
    with HermesClient("127.0.0.1:1") as client, pytest.raises(errors.InvalidInput) as caught:
        call(client)
    assert caught.value.field == field


async def test_rules_reach_the_caller_with_their_field(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        await client.ask("lobby", "what?", yes_no=True, max_tokens=5).result()
    assert caught.value.field == "question.max_tokens"
    with pytest.raises(errors.InvalidInput) as caught:
        await client.evidence("lobby", "7", frames=0)
    assert caught.value.field == "evidence.frames"
    assert (worker.calls, worker.searches) == ([], [])


async def test_limits_are_settings(redis_url: str, worker: FakeWorker, lobby: str) -> None:
    changes = {"max_turn_chars": 10, "max_form_chars": 10, "max_evidence_frames": 1}
    async with (
        running_gateway(redis_url, **changes) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        for field, given in {
            "question.turns": {"turns": [Turn("who?", "nobody!")]},
            "question.regex": {"regex": "a" * 11},
            "question.json_schema": {"json_schema": "{         }"},
            "question.evidence.frames": {"evidence": 2},
        }.items():
            with pytest.raises(errors.InvalidInput) as caught:
                await client.ask("lobby", "what?", **given).result()  # type: ignore[arg-type]
            assert caught.value.field == field
    assert worker.calls == []


@pytest.mark.parametrize(
    "error",
    [
        errors.AnswerCut("the answer has 16 tokens and is not complete; allow more"),
        errors.InvalidInput("question.span", "nothing is held of it; memory begins at 14:03"),
        errors.InvalidInput("question.json_schema", "'$ref' names nothing"),
    ],
    ids=["cut", "span", "schema"],
)
async def test_errors_of_the_engine_reach_the_client(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str, error: errors.HermesError
) -> None:
    worker.scripts = [[Say('{"a'), Fail(error)]]
    with pytest.raises(type(error)) as caught:
        await client.ask("lobby", "what?", json_schema={}).result()
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)


# -- evidence afterwards -----------------------------------------------------------


async def test_evidence_can_be_asked_for_afterwards(
    client: AsyncHermesClient, gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.finds = [Find(complete(EVERYTHING).evidence)]
    found = await client.evidence("lobby", "5-17", 2, pictures=True)
    assert [frame.fall for frame in found.frames] == [2.0, 0.5]
    (seen,) = worker.searches
    assert seen.request.epoch > 0
    assert seen.request == WorkerServiceGetEvidenceRequest(
        camera_id="lobby",
        answer_id="5-17",
        evidence=EvidenceRequest(frames=2, pictures=True),
        epoch=seen.request.epoch,
    )

    def blocking() -> None:
        with HermesClient(f"127.0.0.1:{gateway.port}") as other:
            assert other.evidence("lobby", "5-17") == found

    await asyncio.to_thread(blocking)
    assert worker.searches[1].request.evidence.frames == 3


async def test_evidence_that_is_gone_says_for_how_long_it_is_kept(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    gone = errors.AnswerNotFound("there is no answer '7'; evidence can be asked for for 60 s")
    worker.finds = [Fail(gone)]
    with pytest.raises(errors.AnswerNotFound, match="for 60 s") as caught:
        await client.evidence("lobby", "7")
    cause = caught.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() == grpc.StatusCode.NOT_FOUND


async def test_evidence_of_a_former_owner_is_refused(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    await client.evidence("lobby", "7")
    worker.finds = [Find(Evidence(), epoch=worker.searches[0].request.epoch - 1)]
    with pytest.raises(errors.CameraNotReady, match="changing hands"):
        await client.evidence("lobby", "7")


async def test_a_search_for_evidence_is_an_open_question_and_ends_with_its_caller(
    redis_url: str, worker: FakeWorker, lobby: str
) -> None:
    worker.finds = [Hang()]
    async with (
        running_gateway(redis_url, max_open_questions=1) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        searching = asyncio.ensure_future(client.evidence("lobby", "7"))
        while not worker.searches:
            await asyncio.sleep(0.01)
        with pytest.raises(errors.Overloaded):
            await client.evidence("lobby", "7")
        searching.cancel()
        await asyncio.wait_for(worker.searches[0].ended.wait(), 2)
    assert worker.searches[0].cancelled_at is not None
    assert len(worker.searches) == 1


async def test_who_may_ask_may_see_the_evidence(
    redis_url: str, worker: FakeWorker, lobby: str, tmp_path: Path
) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", guest="ask:lobby", wall="read:* admin:*")
    async with running_gateway(redis_url, tokens_file=tmp_path / "tokens.yaml") as gateway:
        address = f"127.0.0.1:{gateway.port}"
        with capture_logs() as lines:
            async with AsyncHermesClient(address, token=tokens["guest"]) as guest:
                await guest.evidence("lobby", "7")
                with pytest.raises(errors.PermissionDenied, match="ask:dock"):
                    await guest.evidence("dock", "7")
            async with AsyncHermesClient(address, token=tokens["wall"]) as wall:
                with pytest.raises(errors.PermissionDenied, match="ask:lobby"):
                    await wall.evidence("lobby", "7")
    assert len(worker.searches) == 1
    audited = [line for line in lines if line["event"] == "audit"]
    assert [(line["who"], line["camera"], line["code"]) for line in audited] == [
        ("token:guest", "lobby", "OK"),
        ("token:guest", "dock", "PERMISSION_DENIED"),
        ("token:wall", "lobby", "PERMISSION_DENIED"),
    ]
