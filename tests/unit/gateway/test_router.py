"""When the router retries, and when it does not: policy, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from hermes.errors import (
    CameraNotFound,
    CameraNotOwned,
    CameraNotReady,
    HermesError,
    InvalidInput,
    Overloaded,
    Unavailable,
)
from hermes.v1.memory_pb2 import FrameQuery, MemoryContents
from hermes.v1.query_pb2 import (
    Complete,
    Delta,
    Evidence,
    QueryServiceGetEvidenceRequest,
    Question,
)
from hermes.v1.worker_pb2 import WorkerServiceAskResponse as Event
from hermes.v1.worker_pb2 import (
    WorkerServiceGetEvidenceResponse,
    WorkerServiceListFramesResponse,
)
from services.query_gateway.epochs import Epochs
from services.query_gateway.resolver import Route
from services.query_gateway.router import PAUSE_S, WAITING_FOR_ONE, Router

QUESTION = Question(camera_id="lobby", text="what?")
WORD = Event(delta=Delta(text="word"))
NOT_OWNED = CameraNotOwned("lobby")


def done(epoch: int) -> Event:
    return Event(complete=Complete(epoch=epoch))


class FakeResolver:
    """Returns the given routes, one a call, and then the last one again and again."""

    def __init__(self, *routes: Route | HermesError) -> None:
        self.routes = routes
        self.calls = 0

    async def resolve(self, camera_id: str) -> Route:
        route = self.routes[min(self.calls, len(self.routes) - 1)]
        self.calls += 1
        if isinstance(route, HermesError):
            raise route
        return route


class FakeWorkers:
    """Plays one list of events, contents and errors a call."""

    def __init__(self, *plays: Sequence[Event | MemoryContents | HermesError]) -> None:
        self.plays = plays
        self.asked: list[Route] = []
        self.closed = 0

    async def ask(self, route: Route, question: Question, deadline: float) -> AsyncIterator[Event]:
        play = self.plays[min(len(self.asked), len(self.plays) - 1)]
        self.asked.append(route)
        try:
            for item in play:
                if isinstance(item, HermesError):
                    raise item
                assert isinstance(item, Event)
                yield item
        finally:
            self.closed += 1

    async def inspect(self, route: Route, deadline: float) -> MemoryContents:
        (item,) = self.plays[min(len(self.asked), len(self.plays) - 1)]
        self.asked.append(route)
        if isinstance(item, HermesError):
            raise item
        assert isinstance(item, MemoryContents)
        return item

    async def frames(
        self, route: Route, query: FrameQuery, deadline: float
    ) -> AsyncIterator[WorkerServiceListFramesResponse]:
        raise AssertionError("nobody asks for frames here")
        yield

    async def evidence(
        self, route: Route, wanted: QueryServiceGetEvidenceRequest, deadline: float
    ) -> WorkerServiceGetEvidenceResponse:
        (item,) = self.plays[min(len(self.asked), len(self.plays) - 1)]
        self.asked.append(route)
        if isinstance(item, HermesError):
            raise item
        assert isinstance(item, MemoryContents)
        return WorkerServiceGetEvidenceResponse(evidence=Evidence(readings=9), epoch=item.epoch)


FIRST, SECOND = Route("lobby", "one:1", 5), Route("lobby", "two:1", 6)


async def ask(
    router: Router, deadline_s: float = 60.0, into: list[Event] | None = None
) -> list[Event]:
    events = [] if into is None else into
    async for event in router.ask(QUESTION, asyncio.get_running_loop().time() + deadline_s):
        events.append(event)
    return events


async def test_deltas_and_complete_pass() -> None:
    workers = FakeWorkers([WORD, WORD, done(5)])
    assert await ask(Router(FakeResolver(FIRST), workers, Epochs())) == [WORD, WORD, done(5)]
    assert workers.closed == 1


async def test_a_wrong_owner_is_resolved_again_once() -> None:
    resolver, workers = FakeResolver(FIRST, SECOND), FakeWorkers([NOT_OWNED], [WORD, done(6)])
    assert await ask(Router(resolver, workers, Epochs())) == [WORD, done(6)]
    assert workers.asked == [FIRST, SECOND]


async def test_a_wrong_owner_is_resolved_again_only_once() -> None:
    resolver, workers = FakeResolver(FIRST), FakeWorkers([NOT_OWNED])
    with pytest.raises(CameraNotReady):
        await ask(Router(resolver, workers, Epochs()))
    assert (resolver.calls, len(workers.asked), workers.closed) == (2, 2, 2)


@pytest.mark.parametrize("error", [NOT_OWNED, Unavailable("gone"), CameraNotReady("moving")])
async def test_a_begun_answer_is_never_started_again(error: HermesError) -> None:
    resolver, workers = FakeResolver(FIRST), FakeWorkers([WORD, error])
    router = Router(resolver, workers, Epochs(), hand_over_wait_s=30.0)
    seen: list[Event] = []
    with pytest.raises((CameraNotReady, Unavailable)):
        await ask(router, into=seen)
    assert seen == [WORD]
    assert (resolver.calls, len(workers.asked)) == (1, 1)


async def test_a_complete_event_of_a_former_owner_is_refused() -> None:
    epochs = Epochs()
    epochs.saw("lobby", 6)
    events: list[Event] = []
    router = Router(FakeResolver(FIRST), FakeWorkers([WORD, done(5)]), epochs)
    with pytest.raises(CameraNotReady):
        await ask(router, into=events)
    assert events == [WORD]


async def test_a_newer_epoch_in_an_answer_is_remembered() -> None:
    epochs = Epochs()
    await ask(Router(FakeResolver(FIRST), FakeWorkers([done(9)]), epochs))
    assert epochs.newest("lobby") == 9


async def test_an_answer_without_an_end_is_an_error() -> None:
    with pytest.raises(HermesError, match="internal error"):
        await ask(Router(FakeResolver(FIRST), FakeWorkers([WORD]), Epochs()))


async def test_nothing_is_waited_for_by_default() -> None:
    resolver = FakeResolver(CameraNotReady("moving"))
    with pytest.raises(CameraNotReady):
        await ask(Router(resolver, FakeWorkers([done(5)]), Epochs()))
    assert resolver.calls == 1


async def test_a_hand_over_is_waited_for() -> None:
    resolver = FakeResolver(CameraNotReady("moving"), FIRST, FIRST)
    workers = FakeWorkers([Unavailable("gone")], [done(5)])
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    router = Router(resolver, workers, Epochs(), hand_over_wait_s=5.0, sleep=sleep)
    assert await ask(router) == [done(5)]
    assert len(pauses) == 2


async def test_a_hand_over_is_not_waited_for_past_the_deadline() -> None:
    resolver = FakeResolver(CameraNotReady("moving"))
    router = Router(resolver, FakeWorkers([done(5)]), Epochs(), hand_over_wait_s=60.0)
    with pytest.raises(CameraNotReady):
        await asyncio.wait_for(ask(router, deadline_s=0.6), timeout=2)
    assert 2 <= resolver.calls <= 7


@pytest.mark.parametrize(
    "error", [Overloaded("full"), InvalidInput("question.text", "long"), CameraNotFound("lobby")]
)
async def test_errors_that_waiting_does_not_mend_are_passed_on(error: HermesError) -> None:
    workers = FakeWorkers([error])
    router = Router(FakeResolver(FIRST), workers, Epochs(), hand_over_wait_s=30.0)
    with pytest.raises(type(error)):
        await ask(router)
    assert len(workers.asked) == 1


async def test_closing_the_answer_closes_the_call() -> None:
    workers = FakeWorkers([WORD, WORD, done(5)])
    events = Router(FakeResolver(FIRST), workers, Epochs()).ask(
        QUESTION, asyncio.get_running_loop().time() + 60
    )
    assert await anext(events) == WORD
    assert workers.closed == 0
    await events.aclose()
    assert workers.closed == 1


async def inspect(router: Router) -> MemoryContents:
    return await router.inspect("lobby", asyncio.get_running_loop().time() + 60)


async def test_an_inspection_is_retried_like_a_question() -> None:
    resolver = FakeResolver(FIRST, SECOND)
    workers = FakeWorkers([NOT_OWNED], [MemoryContents(epoch=7)])
    epochs = Epochs()
    assert (await inspect(Router(resolver, workers, epochs))).epoch == 7
    assert workers.asked == [FIRST, SECOND]
    assert epochs.newest("lobby") == 7


async def test_an_inspection_of_a_former_owner_is_repeated_at_the_new_one() -> None:
    """Nothing was sent to the client yet, so unlike an answer an inspection can be repeated."""
    epochs = Epochs()
    epochs.saw("lobby", 6)
    workers = FakeWorkers([MemoryContents(epoch=5)], [MemoryContents(epoch=6)])
    with pytest.raises(CameraNotReady, match="changing hands"):
        await inspect(Router(FakeResolver(FIRST), workers, epochs))
    workers = FakeWorkers([MemoryContents(epoch=5)], [MemoryContents(epoch=6)])

    async def sleep(seconds: float) -> None: ...

    router = Router(FakeResolver(FIRST), workers, epochs, hand_over_wait_s=5.0, sleep=sleep)
    assert (await inspect(router)).epoch == 6


async def test_evidence_is_found_by_the_owner_and_by_no_former_one() -> None:
    epochs = Epochs()
    epochs.saw("lobby", 6)
    wanted = QueryServiceGetEvidenceRequest(camera_id="lobby", answer_id="7")
    deadline = asyncio.get_running_loop().time() + 60
    workers = FakeWorkers([NOT_OWNED], [MemoryContents(epoch=6)])
    found = await Router(FakeResolver(FIRST, SECOND), workers, epochs).evidence(wanted, deadline)
    assert (found.readings, workers.asked) == (9, [FIRST, SECOND])
    workers = FakeWorkers([MemoryContents(epoch=5)])
    with pytest.raises(CameraNotReady, match="changing hands"):
        await Router(FakeResolver(FIRST), workers, epochs).evidence(wanted, deadline)


async def test_a_new_owner_that_does_not_know_of_its_lease_is_waited_for() -> None:
    """The lease was handed over: its new holder notices within a tenth of a second."""
    workers = FakeWorkers([CameraNotOwned("lobby")], [CameraNotOwned("lobby")], [done(5)])
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    router = Router(FakeResolver(FIRST), workers, Epochs(), hand_over_wait_s=5.0, sleep=sleep)
    await ask(router)
    assert slept == [PAUSE_S]  # at once the first time


async def test_calls_that_wait_for_one_camera_are_bounded() -> None:
    """Calls for a camera that stays away leave room for calls for others."""
    resolver = FakeResolver(CameraNotReady("moving"))
    router = Router(resolver, FakeWorkers([done(5)]), Epochs(), hand_over_wait_s=0.3)

    async def refused() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(CameraNotReady):
            await ask(router)
        return asyncio.get_running_loop().time() - began

    for _ in range(2):  # the places of those that waited are free again
        took = await asyncio.gather(*(refused() for _ in range(WAITING_FOR_ONE + 5)))
        assert sum(seconds < 0.1 for seconds in took) == 5
