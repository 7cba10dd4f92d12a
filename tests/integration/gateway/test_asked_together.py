"""Cameras of one worker that are asked together: one call, and each with an end of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
import pytest

from hermes import errors
from hermes.v1.query_pb2 import FRESHNESS_LATEST, Question, QuestionSpan
from services.common.rpc import INTERNAL_MESSAGE
from services.query_gateway.asked_together import WorkersTogether
from services.query_gateway.channels import ChannelPool
from services.query_gateway.resolver import Route
from services.query_gateway.workers import Workers
from tests.support.fake_worker import Abort, Crash, End, Fail, FakeWorker, Hang, Rest, Say

CAMERAS = ("dock", "gate", "yard")


class Rig:
    """A worker, and what asks it."""

    def __init__(self, worker: FakeWorker, channels: ChannelPool) -> None:
        self.worker = worker
        self.channels = channels
        self.workers = WorkersTogether(channels)
        self.deadline = asyncio.get_running_loop().time() + 20

    async def ask(self, camera_id: str, text: str = "who?", epoch: int = 1) -> str:
        route = Route(camera_id, self.worker.address, epoch)
        question = Question(camera_id=camera_id, text=text)
        said = ""
        events: Any = self.workers.ask(route, question, self.deadline)
        async with aclosing(events):
            async for event in events:
                said += f"<{event.complete.epoch}>" if event.HasField("complete") else ""
                said += event.delta.text
        return said

    async def all(self, *cameras: str) -> list[str | BaseException]:
        asking = (self.ask(name, epoch=number) for number, name in enumerate(cameras, 1))
        return await asyncio.gather(*asking, return_exceptions=True)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    worker, channels = FakeWorker(), ChannelPool(60.0)
    await worker.start()
    for name in CAMERAS:
        worker.by_camera[name] = [Say(f"{name} "), Say("is empty"), End()]
    try:
        yield Rig(worker, channels)
    finally:
        await channels.close()
        await worker.stop()


async def test_one_call_asks_all_and_each_has_its_own_answer_and_epoch(rig: Rig) -> None:
    said = await rig.all(*CAMERAS)
    assert said == ["dock is empty<1>", "gate is empty<2>", "yard is empty<3>"]
    (call,) = rig.worker.many
    assert [(one.camera_id, one.epoch) for one in call.cameras] == [
        ("dock", 1),
        ("gate", 2),
        ("yard", 3),
    ]
    assert (call.question.text, call.question.camera_id) == ("who?", "")


async def test_one_camera_is_asked_alone_and_other_questions_have_calls_of_their_own(
    rig: Rig,
) -> None:
    asking = (rig.ask("dock"), rig.ask("gate", "when?"), rig.ask("yard", "when?"))
    assert len(await asyncio.gather(*asking)) == 3
    (call,) = rig.worker.many
    assert [one.camera_id for one in call.cameras] == ["gate", "yard"]
    assert await rig.ask("dock") == "dock is empty<1>"
    assert len(rig.worker.many) == 1


async def test_the_same_camera_twice_is_two_calls(rig: Rig) -> None:
    assert await rig.all("dock", "dock") == ["dock is empty<1>", "dock is empty<2>"]
    assert rig.worker.many == []


async def test_an_older_worker_is_asked_about_one_camera_at_a_time(rig: Rig) -> None:
    rig.worker.knows_many = False
    said = await rig.all(*CAMERAS)
    assert said == ["dock is empty<1>", "gate is empty<2>", "yard is empty<3>"]
    assert len(rig.worker.calls) == 3


async def test_an_older_worker_is_not_asked_what_it_would_leave_out(rig: Rig) -> None:
    """It would answer from all that it remembers, or in free text. Another may know by then."""
    workers, span = Workers(rig.channels), QuestionSpan()
    span.last.FromSeconds(5)

    async def asked(question: Question) -> int:
        until = asyncio.get_running_loop().time() + 20
        route = Route("dock", rig.worker.address, 7)
        return len([event async for event in workers.ask(route, question, until)])

    rig.worker.knows_many = False
    assert await asked(Question(camera_id="dock", text="who?", freshness=FRESHNESS_LATEST)) == 3
    for question in (Question(text="who?", span=span), Question(regex="a+")):
        with pytest.raises(errors.Unavailable, match="older than the gateway"):
            await asked(question)
    assert len(rig.worker.calls) == 1
    rig.worker.knows_many = True
    for _ in range(2):
        assert await asked(Question(camera_id="dock", text="who?", span=span)) == 3
    assert len(rig.worker.many) == 1  # found out once


async def test_errors_are_those_of_one_camera(rig: Rig) -> None:
    rig.worker.by_camera = {
        "moved": [Fail(errors.CameraNotOwned("moved"))],
        "long": [Fail(errors.InvalidInput("question.max_tokens", "at most 40"))],
        "full": [Fail(errors.Overloaded("full", 7.0))],
        "broken": [Say("half"), Crash("a secret")],
        "gone": [Abort(grpc.StatusCode.UNAVAILABLE, "10.0.0.1 is down")],
        "dock": [Say("fine"), End()],
    }
    moved, long, full, broken, gone, fine = await rig.all(*rig.worker.by_camera)
    assert fine == "fine<6>"
    assert isinstance(moved, errors.CameraNotOwned)
    assert moved.camera_id == "moved"
    assert isinstance(long, errors.InvalidInput)
    assert long.field == "question.max_tokens"
    assert isinstance(full, errors.Overloaded)
    assert full.retry_after_s == 7.0
    assert (type(broken), str(broken)) == (errors.HermesError, INTERNAL_MESSAGE)
    assert isinstance(gone, errors.Unavailable)
    assert "10.0.0.1" not in str(gone)


async def test_a_worker_that_goes_away_is_an_error_of_each_camera_that_has_not_ended(
    rig: Rig,
) -> None:
    rig.worker.by_camera["yard"] = rig.worker.by_camera["gate"] = [Say("begun"), Hang()]
    asking = [asyncio.create_task(rig.ask(name)) for name in CAMERAS]
    assert await asking[0] == "dock is empty<1>"
    await rig.worker.stop()
    for task in asking[1:]:
        with pytest.raises(errors.Unavailable):
            await task


async def test_an_answer_does_not_wait_for_a_slow_camera(rig: Rig) -> None:
    rig.worker.by_camera["yard"] = [Hang()]
    asking = {name: asyncio.create_task(rig.ask(name)) for name in CAMERAS}
    for name in ("dock", "gate"):
        assert await asking[name] == f"{name} is empty<1>"
    assert not asking["yard"].done()
    asking["yard"].cancel()
    slow = next(s for s in rig.worker.calls if s.request.question.camera_id == "yard")
    await asyncio.wait_for(slow.ended.wait(), 5)
    assert slow.cancelled_at is not None  # it was the last one: the call was cancelled


async def test_one_that_leaves_ends_no_other(rig: Rig) -> None:
    rig.worker.by_camera["dock"] = [Say("late "), Rest(0.1), End()]
    asking = {name: asyncio.create_task(rig.ask(name)) for name in CAMERAS}
    await asyncio.sleep(0)
    asking["gate"].cancel()
    assert await asking["dock"] == "late <1>"
    assert await asking["yard"] == "yard is empty<1>"
    assert asking["gate"].cancelled()


async def test_the_deadline_ends_every_camera(rig: Rig) -> None:
    rig.worker.by_camera["yard"] = [Hang()]
    rig.deadline = asyncio.get_running_loop().time() + 0.5
    *_, slow = await rig.all(*CAMERAS)
    assert isinstance(slow, errors.DeadlineExceeded)
    rig.deadline = 0.0
    assert {type(one) for one in await rig.all(*CAMERAS)} == {errors.DeadlineExceeded}
