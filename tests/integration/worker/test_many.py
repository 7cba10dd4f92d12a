"""Several cameras of a real worker, asked the same in one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from hermes.camera_error import error_of_camera
from hermes.errors import CameraNotOwned, CameraNotReady, HermesError, InvalidInput, Overloaded
from hermes.v1 import query_pb2, worker_pb2
from hermes.v1.query_pb2 import Complete
from services.hermes_worker.worker import Worker
from tests.support.workers import Feeder, calling, memory_state, until, working

SEEN = ("dock", "gate")
CAMERAS = (*SEEN, "blind")


@pytest.fixture
async def worker(redis_url: str, redis_client: redis.Redis) -> AsyncIterator[Worker]:
    """A worker of three cameras, of which one has not seen a frame."""
    async with working(redis_url, None, ingest="full", max_questions=2) as worker:
        for name in CAMERAS:
            feeder = Feeder(redis_client, name)
            if name in SEEN:
                feeder.push(3)
        await until(lambda: all(memory_state(redis_client, n) == "serving" for n in CAMERAS))
        yield worker


@pytest.fixture
async def stub(worker: Worker) -> AsyncIterator[Any]:
    async with calling(worker) as stub:
        yield stub


def request(*cameras: str | tuple[str, int], text: str = "What now?", **more: Any) -> Any:
    named = [(one, 0) if isinstance(one, str) else one for one in cameras]
    return worker_pb2.WorkerServiceAskManyRequest(
        question=query_pb2.Question(text=text, **more),
        cameras=[worker_pb2.CameraEpoch(camera_id=name, epoch=epoch) for name, epoch in named],
    )


async def ends(stub: Any, asked: Any) -> dict[str, tuple[str, Complete] | HermesError]:
    """Each camera's text and last message, or its error. Nothing may follow its end."""
    texts: dict[str, str] = {}
    found: dict[str, tuple[str, Complete] | HermesError] = {}
    async for response in stub.AskMany(asked, timeout=20):
        assert response.events
        for event in response.events:
            name = event.camera_id
            assert name not in found
            if event.HasField("delta"):
                texts[name] = texts.get(name, "") + event.delta.text
            elif event.HasField("complete"):
                found[name] = texts.get(name, ""), event.complete
            else:
                found[name] = error_of_camera(event.error, name)
    return found


async def each_answers_as_it_would_alone(stub: Any) -> None:
    together = await ends(stub, request(*SEEN, max_tokens=5))
    for name in SEEN:
        alone = (await ends(stub, request(name, max_tokens=5)))[name]
        found = together[name]
        assert isinstance(found, tuple)
        assert isinstance(alone, tuple)
        assert found[0] == alone[0]
        assert found[1].epoch > 0
        assert (found[1].answer_tokens, found[1].coverage.frames) == (5, 3)
        assert found[1].answer_id


async def what_goes_wrong_with_one_concerns_no_other(stub: Any) -> None:
    asked = request("dock", ("gate", 1 << 63), "nowhere", "blind", max_tokens=2)
    found = await ends(stub, asked)
    assert isinstance(found["dock"], tuple)
    kinds = {name: type(end) for name, end in found.items() if name != "dock"}
    assert kinds == {"gate": CameraNotOwned, "nowhere": CameraNotOwned, "blind": CameraNotReady}


async def what_is_wrong_with_the_question_is_each_cameras_error(stub: Any) -> None:
    for bad, field in (
        ({"span": {}}, "question.span"),
        ({"max_tokens": 5000}, "question.max_tokens"),
        ({"regex": "("}, "question.regex"),
    ):
        found = await ends(stub, request("dock", ("gate", 1 << 63), **bad))
        error = found["dock"]
        assert isinstance(error, InvalidInput)
        assert error.field == field
        assert isinstance(found["gate"], CameraNotOwned)


async def no_camera_is_no_answer(stub: Any) -> None:
    assert await ends(stub, request()) == {}


async def cached_answers_need_no_frame_log(stub: Any) -> None:
    found = await ends(stub, request(*SEEN, freshness="FRESHNESS_CACHED", max_tokens=1))
    assert all(isinstance(end, tuple) for end in found.values())


async def choices_are_scored_for_each(stub: Any) -> None:
    found = await ends(stub, request(*SEEN, choices={"texts": ["yes", "no"]}))
    for end in found.values():
        assert isinstance(end, tuple)
        assert sum(one.probability for one in end[1].choices) == pytest.approx(1)


async def a_client_that_goes_stops_all_of_its_answers(stub: Any) -> None:
    call = stub.AskMany(request(*SEEN, max_tokens=4000), timeout=60)
    await call.read()
    assert {type(end) for end in (await ends(stub, request(*SEEN))).values()} == {Overloaded}
    call.cancel()
    async with asyncio.timeout(20):
        while not all(
            isinstance(end, tuple)
            for end in (await ends(stub, request(*SEEN, max_tokens=1))).values()
        ):
            await asyncio.sleep(0.01)


async def test_many(stub: Any) -> None:
    """One worker for all of these: it takes long to start."""
    for check in (
        each_answers_as_it_would_alone,
        what_goes_wrong_with_one_concerns_no_other,
        what_is_wrong_with_the_question_is_each_cameras_error,
        no_camera_is_no_answer,
        cached_answers_need_no_frame_log,
        choices_are_scored_for_each,
        a_client_that_goes_stops_all_of_its_answers,
    ):
        await check(stub)
