"""Every kind of question to a real worker with a tiny model: what it answers, what it refuses."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
import redis

from hermes.errors import AnswerCut, AnswerNotFound, CameraNotOwned, InvalidInput, Unavailable
from hermes.statuses import error_of
from hermes.v1 import query_pb2, worker_pb2
from services.hermes_worker.worker import Worker
from tests.support.workers import (
    Feeder,
    answer,
    asked,
    calling,
    memory_state,
    refused,
    until,
    working,
)


@pytest.fixture
async def worker(redis_url: str, redis_client: redis.Redis) -> AsyncIterator[Worker]:
    """A worker whose camera has seen two frames two minutes ago, three a minute ago, three now."""
    async with working(redis_url, None, ingest="full") as worker:
        feeder = Feeder(redis_client, "lobby")
        now_ms = int(time.time() * 1000)
        for ago_ms, frames in ((120_000, 2), (60_000, 3), (1_000, 3)):
            feeder.push(frames, first_ms=now_ms - ago_ms)
        await until(lambda: memory_state(redis_client, "lobby") == "serving")
        yield worker


@pytest.fixture
async def stub(worker: Worker) -> AsyncIterator[Any]:
    async with calling(worker) as stub:
        yield stub


async def decoding(stub: Any) -> None:
    async def text_of(**decoding: Any) -> tuple[str, Any]:
        texts, complete = await answer(stub, asked("lobby", max_tokens=8, decoding=decoding))
        return "".join(texts), complete

    drawn, complete = await text_of(temperature=2.0, seed=7, logprobs=True)
    assert await text_of(temperature=2.0, seed=7) != (drawn, complete)  # without log-probabilities
    assert (await text_of(temperature=2.0, seed=7))[0] == drawn
    others = {(await text_of(temperature=2.0, seed=seed))[0] for seed in range(8, 12)}
    assert others - {drawn}
    assert len(complete.logprobs) == complete.answer_tokens
    assert "".join(token.text for token in complete.logprobs) == drawn
    assert all(token.logprob <= 0 for token in complete.logprobs)
    stop = drawn.split()[1]
    stopped, complete = await text_of(temperature=2.0, seed=7, stop=[stop])
    assert stopped == drawn.partition(stop)[0]
    reply = await refused(stub, asked("lobby", decoding={"top_p": 3.0}))
    assert isinstance(reply, InvalidInput)
    assert reply.field == "question.decoding.top_p"


async def a_span_that_ends_with_the_question(stub: Any) -> None:
    _, recent = await answer(stub, asked("lobby", span={"last": {"seconds": 30}}, max_tokens=2))
    _, longer = await answer(stub, asked("lobby", span={"last": {"seconds": 90}}, max_tokens=2))
    _, plain = await answer(stub, asked("lobby", max_tokens=2))
    assert (recent.span.frames, longer.span.frames) == (3, 6)
    assert (recent.coverage.frames, longer.coverage.frames) == (3, 6)
    assert plain.coverage.frames_seen == 8
    assert not plain.HasField("span")
    for complete, asked_s in ((recent, 30), (longer, 90)):
        span = complete.span.span
        now = time.time()
        assert now - 30 < span.end.ToMilliseconds() / 1000 <= now  # the worker's clock
        length = span.end.ToMilliseconds() - span.start.ToMilliseconds()
        assert length <= 1000 * asked_s
        parts = (complete.span.whole, complete.span.thinned, complete.span.forgotten)
        covered = sum(part.ToMilliseconds() for part in (*parts, complete.span.unseen))
        assert covered == length


async def spans_of_capture_time(stub: Any) -> None:
    def around(seconds_ago: int) -> dict[str, dict[str, int]]:
        middle = int(time.time()) - seconds_ago
        return {"start": {"seconds": middle - 20}, "end": {"seconds": middle + 20}}

    _, complete = await answer(stub, asked("lobby", span=around(60), max_tokens=2))
    assert complete.span.frames == 3
    reply = await refused(stub, asked("lobby", span=around(6000)))
    assert isinstance(reply, InvalidInput)
    assert reply.field == "question.span"
    assert "before the first frame" in str(reply)
    reply = await refused(stub, asked("lobby", span={"media_start": {"seconds": 1}}))
    assert isinstance(reply, InvalidInput)  # it is no file
    assert reply.field == "question.span"


async def choices(stub: Any) -> None:
    texts = ["yes", "no", "a red circle"]
    said, complete = await answer(stub, asked("lobby", choices={"texts": texts}))
    assert [choice.text for choice in complete.choices] == texts
    assert sum(choice.probability for choice in complete.choices) == pytest.approx(1)
    likeliest = max(complete.choices, key=lambda choice: choice.probability)
    assert "".join(said) == likeliest.text
    assert all(choice.logprob < 0 and choice.tokens > 0 for choice in complete.choices)


async def turns(stub: Any) -> None:
    earlier = [query_pb2.Turn(question="What now?", answer="a star")] * 3
    _, plain = await answer(stub, asked("lobby", max_tokens=2))
    _, complete = await answer(stub, asked("lobby", turns=earlier, max_tokens=2))
    assert (plain.dropped_turns, complete.dropped_turns) == (0, 0)
    assert complete.question_tokens > plain.question_tokens
    long = query_pb2.Turn(question="What now?", answer="a star " * 600)
    _, complete = await answer(stub, asked("lobby", turns=[long, *earlier], max_tokens=2))
    assert complete.dropped_turns == 1


async def schemas(stub: Any) -> None:
    schema = json.dumps({"type": "array", "items": {"enum": ["red", "blue"]}, "maxItems": 2})
    said, _ = await answer(stub, asked("lobby", json_schema=schema, max_tokens=60))
    assert set(json.loads("".join(said))) <= {"red", "blue"}
    said, _ = await answer(stub, asked("lobby", regex="[0-9]{3}", max_tokens=20))
    assert re.fullmatch("[0-9]{3}", "".join(said))
    reply = await refused(stub, asked("lobby", regex="[0-9]{30}", max_tokens=4))
    assert isinstance(reply, AnswerCut)
    assert "4 tokens" in str(reply)
    forms: dict[str, Any] = {"json_schema": '{"type": "colour"}', "regex": "(("}
    for field, form in forms.items():
        reply = await refused(stub, asked("lobby", **{field: form}))
        assert isinstance(reply, InvalidInput)
        assert reply.field == f"question.{field}"


async def test_evidence_with_an_answer_and_after_it(stub: Any) -> None:
    wanted = {"frames": 2, "pictures": True}
    _, complete = await answer(stub, asked("lobby", max_tokens=4, evidence=wanted))
    assert complete.evidence.readings > 1
    assert complete.evidence.logprob < 0
    _, plain = await answer(stub, asked("lobby", max_tokens=4))
    assert not plain.HasField("evidence")
    later = evidence_of(plain)
    found = await stub.GetEvidence(later, timeout=20)
    assert found.evidence.logprob == pytest.approx(complete.evidence.logprob, abs=1e-3)
    assert found.epoch == plain.epoch
    for changes, error, told in (
        ({"answer_id": "7"}, AnswerNotFound, "for 60 s"),
        ({"camera_id": "dock"}, CameraNotOwned, "dock"),
        ({"epoch": plain.epoch + 1}, CameraNotOwned, "lobby"),
    ):
        request = worker_pb2.WorkerServiceGetEvidenceRequest()
        request.CopyFrom(later)
        request.MergeFrom(worker_pb2.WorkerServiceGetEvidenceRequest(**changes))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetEvidence(request, timeout=20)
        refusal = error_of(caught.value, "the worker")
        assert isinstance(refusal, error)
        assert told in str(refusal)


def evidence_of(complete: query_pb2.Complete) -> worker_pb2.WorkerServiceGetEvidenceRequest:
    return worker_pb2.WorkerServiceGetEvidenceRequest(
        answer_id=complete.answer_id,
        camera_id="lobby",
        evidence=query_pb2.EvidenceRequest(frames=2),
        epoch=complete.epoch,
    )


async def what_a_later_gateway_asks_for_is_not_left_out(stub: Any) -> None:
    """The camera may be at a later worker when it is asked again."""
    request = asked("lobby", span={"last": {"seconds": 30}})
    later = query_pb2.QuestionSpan.FromString(b"\xf2\x07\x01x")
    request.question.span.MergeFrom(later)
    reply = await refused(stub, request)
    assert isinstance(reply, Unavailable)
    assert "older than the gateway" in str(reply)


async def test_spans(stub: Any) -> None:
    await what_a_later_gateway_asks_for_is_not_left_out(stub)
    await a_span_that_ends_with_the_question(stub)
    await spans_of_capture_time(stub)


async def test_what_answers_look_like(stub: Any) -> None:
    await decoding(stub)
    await choices(stub)
    await turns(stub)
    await schemas(stub)
