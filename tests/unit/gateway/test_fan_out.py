"""Many cameras asked the same: order, bounds, slow readers, errors. Without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.camera_error import error_of_camera
from hermes.errors import (
    CameraNotFound,
    DeadlineExceeded,
    HermesError,
    InvalidInput,
    Overloaded,
    PermissionDenied,
    Unavailable,
)
from hermes.v1.query_pb2 import Complete, Delta, Question
from hermes.v1.query_pb2 import QueryServiceAskManyResponse as Event
from hermes.v1.worker_pb2 import WorkerServiceAskResponse
from services.common.metrics import Metrics
from services.query_gateway.access.current import CurrentCall, Rights, serving
from services.query_gateway.access.scopes import Caller, Scope
from services.query_gateway.fan_out import FanOut

DONE = "done"
NEVER = "never"
Step = str | float | BaseException
"""A word, seconds of silence, an error, `DONE` or `NEVER`."""


class FakeRouter:
    """Plays a list of steps for each camera; a list of lists is for one call after another."""

    def __init__(self, plays: Mapping[str, Sequence[Step]], *again: Mapping[str, Sequence[Step]]):
        self.plays = [plays, *again]
        self.asked: list[Question] = []
        self.open = 0
        self.most_open = 0

    async def ask(
        self, question: Question, deadline: float
    ) -> AsyncGenerator[WorkerServiceAskResponse, None]:
        before = sum(one.camera_id == question.camera_id for one in self.asked)
        play = self.plays[min(before, len(self.plays) - 1)][question.camera_id]
        self.asked.append(question)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            for step in play:
                await asyncio.sleep(step if isinstance(step, float) else 0)
                if isinstance(step, BaseException):
                    raise step
                if step == NEVER:
                    await asyncio.Event().wait()
                elif step == DONE:
                    yield WorkerServiceAskResponse(complete=Complete(model="fake"))
                elif isinstance(step, str):
                    yield WorkerServiceAskResponse(delta=Delta(text=step))
        finally:
            self.open -= 1


OPEN = Rights(authenticated=False)


async def ask(
    router: FakeRouter,
    cameras: Sequence[str] | None = None,
    *,
    into: list[Event] | None = None,
    deadline_s: float = 5.0,
    read_s: float = 0.0,
    rights: Rights = OPEN,
    metrics: Metrics | None = None,
    pauses: list[float] | None = None,
) -> tuple[list[Event], dict[str, str]]:
    events = [] if into is None else into
    now = asyncio.get_running_loop().time()
    questions = [
        Question(camera_id=id_, text="what?", max_tokens=7) for id_ in cameras or router.plays[0]
    ]

    async def write(event: Event) -> None:
        await asyncio.sleep(read_s)
        events.append(event)

    async def sleep(seconds: float) -> None:
        if pauses is not None:
            pauses.append(seconds)

    fan_out = FanOut(router, rights, metrics or Metrics(), sleep)
    return events, await fan_out.ask(questions, now, now + deadline_s, write)


def texts(events: Sequence[Event]) -> dict[str, str]:
    found: dict[str, str] = {}
    for event in events:
        found[event.camera_id] = found.get(event.camera_id, "") + event.delta.text
    return found


def ends(events: Sequence[Event]) -> dict[str, str]:
    """How each camera ended; fails if anything follows an end."""
    found: dict[str, str] = {}
    for event in events:
        assert event.camera_id not in found
        if (kind := event.WhichOneof("event")) != "delta":
            found[event.camera_id] = str(kind)
    return found


def error_in(events: Sequence[Event], camera_id: str) -> HermesError:
    (event,) = (e for e in events if e.camera_id == camera_id and e.HasField("error"))
    return error_of_camera(event.error, camera_id)


async def test_each_camera_answers_in_order_and_ends_once() -> None:
    router = FakeRouter({"a": ["one ", "two", DONE], "b": [DONE], "c": ["three", DONE]})
    events, answers = await ask(router)
    assert texts(events) == {"a": "one two", "b": "", "c": "three"}
    assert ends(events) == dict.fromkeys("abc", "complete")
    assert answers == {"a": "one two", "b": "", "c": "three"}


async def test_the_question_is_passed_through_unchanged() -> None:
    router = FakeRouter({"a": [DONE]})
    await ask(router)
    assert router.asked == [Question(camera_id="a", text="what?", max_tokens=7)]


async def test_an_error_is_its_cameras_alone() -> None:
    failures: dict[str, HermesError] = {
        "unknown": CameraNotFound("unknown"),
        "gone": Unavailable("the worker went away", 1.5),
        "long": InvalidInput("question.max_tokens", "at most 40"),
    }
    plays: dict[str, Sequence[Step]] = {name: [error] for name, error in failures.items()}
    events, answers = await ask(FakeRouter({**plays, "fine": ["yes", DONE]}))
    assert answers == {"fine": "yes"}
    for name, error in failures.items():
        found = error_in(events, name)
        assert (type(found), str(found)) == (type(error), str(error))
    assert error_in(events, "gone").retry_after_s == 1.5  # type: ignore[attr-defined]
    assert error_in(events, "long").field == "question.max_tokens"  # type: ignore[attr-defined]
    (not_found,) = (e.error for e in events if e.camera_id == "unknown")
    assert not_found.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert not_found.reason == "CAMERA_NOT_FOUND"


async def test_an_answer_that_breaks_off_ends_with_an_error_and_is_not_merged() -> None:
    events, answers = await ask(FakeRouter({"a": ["half ", Unavailable("gone")], "b": [DONE]}))
    assert ends(events) == {"a": "error", "b": "complete"}
    assert texts(events)["a"] == "half "
    assert answers == {"b": ""}


async def test_what_is_not_an_error_of_ours_tells_nothing() -> None:
    events, _ = await ask(FakeRouter({"a": [RuntimeError("secret")], "b": ["fine", DONE]}))
    assert "secret" not in str(error_in(events, "a"))
    assert ends(events) == {"a": "error", "b": "complete"}


async def test_a_cancelled_channel_is_its_cameras_error() -> None:
    events, _ = await ask(FakeRouter({"a": [asyncio.CancelledError()], "b": ["fine", DONE]}))
    assert ends(events) == {"a": "error", "b": "complete"}


async def test_a_slow_camera_delays_nobody_and_the_deadline_bounds_it() -> None:
    into: list[Event] = []
    router = FakeRouter({"slow": [NEVER], "fast": ["yes", DONE]})
    asking = asyncio.create_task(ask(router, into=into, deadline_s=0.3))
    await asyncio.sleep(0.05)
    assert ends(into) == {"fast": "complete"}
    await asking
    assert isinstance(error_in(into, "slow"), DeadlineExceeded)
    assert router.open == 0


async def test_a_slow_reader_gets_everything_and_holds_up_no_worker() -> None:
    words = [f"{n} " for n in range(50)]
    router = FakeRouter({name: [*words, DONE] for name in "abcd"})
    into: list[Event] = []
    asking = asyncio.create_task(ask(router, into=into, read_s=0.02))
    while router.open or len(router.asked) < 4:
        await asyncio.sleep(0)
    assert len(into) <= 2  # every worker has finished while the client has hardly read
    await asking
    assert texts(into) == dict.fromkeys("abcd", "".join(words))
    assert len(into) < 20  # what waited was joined


async def test_cancelling_stops_all_work_at_once() -> None:
    router = FakeRouter({name: ["word", NEVER] for name in "abc"})
    asking = asyncio.create_task(ask(router))
    while router.open < 3:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert router.open == 0


async def test_a_client_that_is_gone_stops_all_work() -> None:
    router = FakeRouter({name: ["word", NEVER] for name in "abc"})

    async def write(event: Event) -> None:
        raise grpc.aio.InternalError("the client is gone")

    now = asyncio.get_running_loop().time()
    questions = [Question(camera_id=name) for name in "abc"]
    with pytest.raises(grpc.aio.InternalError):
        await FanOut(router, OPEN, Metrics()).ask(questions, now, now + 5, write)
    assert router.open == 0


async def test_an_overloaded_worker_is_asked_once_more() -> None:
    full = Overloaded("full", 0.5)
    router = FakeRouter({"a": [full], "b": [full]}, {"a": ["yes", DONE], "b": [full]})
    pauses: list[float] = []
    events, answers = await ask(router, pauses=pauses)
    assert answers == {"a": "yes"}
    assert isinstance(error_in(events, "b"), Overloaded)
    assert pauses == [0.5, 0.5]
    assert len(router.asked) == 4


@pytest.mark.parametrize("retry_after_s", [0.4, 10.0], ids=["past-the-deadline", "too-long"])
async def test_an_overloaded_worker_is_not_waited_for_too_long(retry_after_s: float) -> None:
    deadline_s = 0.3 if retry_after_s < 1 else 60.0
    router = FakeRouter({"a": [Overloaded("full", retry_after_s)]})
    events, _ = await ask(router, deadline_s=deadline_s)
    assert isinstance(error_in(events, "a"), Overloaded)
    assert len(router.asked) == 1


async def test_each_camera_needs_the_right_to_ask() -> None:
    caller = Caller("token:x", (Scope.parse("ask:dock-*"), Scope.parse("read:*")))
    router = FakeRouter({"dock-1": ["yes", DONE], "lobby": ["no", DONE]})
    with serving(CurrentCall(caller)):
        events, answers = await ask(router, rights=Rights(authenticated=True))
    assert answers == {"dock-1": "yes"}
    assert isinstance(error_in(events, "lobby"), PermissionDenied)
    assert [question.camera_id for question in router.asked] == ["dock-1"]


async def test_every_camera_counts_as_a_question_that_ended() -> None:
    metrics = Metrics()
    await ask(FakeRouter({"a": [DONE], "b": [DONE], "c": [CameraNotFound("c")]}), metrics=metrics)

    def counted(code: str) -> float | None:
        return metrics.registry.get_sample_value("hermes_queries_total", {"code": code})

    assert (counted("OK"), counted("NOT_FOUND")) == (2, 1)


_STEPS = st.lists(st.sampled_from(["x ", "y ", 0.0]), max_size=6).flatmap(
    lambda steps: st.sampled_from(
        [[*steps, DONE], [*steps, Unavailable("gone")], [*steps, InvalidInput("f", "bad")]]
    )
)


@given(
    plays=st.dictionaries(st.text("abcdef", min_size=1, max_size=3), _STEPS, max_size=12),
    read_s=st.sampled_from([0.0, 0.0005]),
)
def test_however_cameras_interleave_each_is_whole_and_in_order(
    plays: dict[str, list[Step]], read_s: float
) -> None:
    events, answers = asyncio.run(ask(FakeRouter(plays), list(plays), read_s=read_s))
    ended = ends(events)
    assert ended.keys() == plays.keys()
    said = texts(events)
    for name, steps in plays.items():
        assert said.get(name, "") == "".join(s for s in steps if isinstance(s, str) and s != DONE)
        assert ended[name] == ("complete" if steps[-1] == DONE else "error")
    assert answers == {n: said.get(n, "") for n, s in plays.items() if s[-1] == DONE}
