"""A worker that says what a test tells it to, over real gRPC.

As a process of its own (`python -m tests.support.fake_worker`) it prints its
address and talks for ever, for tests that kill it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import grpc

from hermes import errors
from hermes.contents import HeldFrame, LayerContents, MemoryContents
from hermes.contents_message import message_of
from hermes.v1.memory_pb2 import FramePicture
from hermes.v1.query_pb2 import FINISH_REASON_STOP, Complete, Delta, Evidence
from hermes.v1.watch_pb2 import Evaluation
from hermes.v1.worker_pb2 import (
    WorkerServiceAskManyRequest,
    WorkerServiceAskRequest,
    WorkerServiceAskResponse,
    WorkerServiceEvaluateRequest,
    WorkerServiceEvaluateResponse,
    WorkerServiceGetEvidenceRequest,
    WorkerServiceGetEvidenceResponse,
    WorkerServiceInspectRequest,
    WorkerServiceInspectResponse,
    WorkerServiceListFramesRequest,
    WorkerServiceListFramesResponse,
    WorkerServiceMergeRequest,
    WorkerServiceMergeResponse,
)
from hermes.v1.worker_pb2_grpc import WorkerServiceServicer, add_WorkerServiceServicer_to_server
from services.common.caller import caller_in
from services.common.grpc_server import GrpcServer
from services.common.tls import ServerTls
from tests.support.asked_each import ask_each

MODEL = "fake-model"


@dataclass(frozen=True)
class Say:
    """A delta, `after_s` seconds later."""

    text: str
    after_s: float = 0.0


@dataclass(frozen=True)
class End:
    """The complete event. `epoch=None`: the epoch of the request. `also`: more fields of it."""

    epoch: int | None = None
    also: Complete = field(default_factory=Complete)


@dataclass(frozen=True)
class Rest:
    """Nothing, for a while."""

    seconds: float


@dataclass(frozen=True)
class Fail:
    """One of our errors."""

    error: errors.HermesError


@dataclass(frozen=True)
class Crash:
    """An exception that no worker should raise."""

    text: str


@dataclass(frozen=True)
class Abort:
    """A bare status, without any details."""

    code: grpc.StatusCode
    text: str = ""


@dataclass(frozen=True)
class Hang:
    """Nothing more, for a long time."""


CONTENTS = MemoryContents(
    policy="hermes",
    budget=8,
    tokens=8,
    bytes=16_384,
    frame_tokens=4,
    frames_seen=5,
    times={0: 1_700_000_000_000, 3: 1_700_000_003_000, 4: 1_700_000_009_000},
    gaps=((1_700_000_003_000, 1_700_000_009_000),),
    layers=(
        LayerContents(0, "sensory", (HeldFrame(3, 4), HeldFrame(4, 4))),
        LayerContents(1, "long_term", (HeldFrame(0, 3, 1), HeldFrame(4, 4))),
    ),
    model=MODEL,
)


@dataclass(frozen=True)
class Show:
    """Contents, the whole answer to Inspect. `epoch=None`: the epoch of the request."""

    contents: MemoryContents = CONTENTS
    epoch: int | None = None


@dataclass(frozen=True)
class Find:
    """Evidence, the whole answer to GetEvidence. `epoch=None`: the epoch of the request."""

    evidence: Evidence = field(default_factory=Evidence)
    epoch: int | None = None


Fault = Fail | Crash | Abort | Hang
Step = Say | End | Rest | Fault
Script = Sequence[Step]

HELLO: Script = (Say("a "), Say("red "), Say("car"), End())


@dataclass(frozen=True)
class Judged:
    """An evaluation, the whole answer to Evaluate. `epoch=None`: the epoch of the request."""

    value: float
    holds: bool = False
    epoch: int | None = None


@dataclass
class Seen:
    """One call as the worker saw it. Times are time.monotonic()."""

    request: Any
    time_remaining_s: float | None
    caller: str = ""  # the name in the certificate that it showed
    mark: str = ""  # of the gateway's caller
    cancelled_at: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class FakeWorker(WorkerServiceServicer):
    """Plays a script for each question, one of `looks` for each inspection, one of `finds` for each
    request for evidence and one of `mergers` for each merged answer; the last repeats. A
    camera in `by_camera` has a script of its own. It sends `frames` to each who asks for them.
    `judges`: what it evaluates, by camera.
    """

    def __init__(self, *scripts: Script, tls: ServerTls | None = None) -> None:
        self.scripts: list[Script] = list(scripts) or [HELLO]
        self.looks: list[Show | Fault] = [Show()]
        self.finds: list[Find | Fault] = [Find()]
        self.calls: list[Seen] = []
        self.searches: list[Seen] = []
        self.mergers: list[Script] = [HELLO]
        self.merges: list[Seen] = []
        self.by_camera: dict[str, Script] = {}
        self.knows_many = True
        self.many: list[WorkerServiceAskManyRequest] = []
        self.inspections: list[Seen] = []
        self.frames: Sequence[FramePicture | Fault] = ()
        self.frames_epoch: int | None = None  # None: that of the request
        self.frames_sent = 0
        self.listings: list[Seen] = []
        self.judges: dict[str, Judged | Fault] = {}
        self.evaluations: list[Seen] = []
        self.address = ""
        self.tls = tls
        self._server: GrpcServer | None = None

    async def start(self, listen: str = "127.0.0.1:0") -> str:
        self._server = GrpcServer(max_message_bytes=1 << 20, tls=self.tls)
        self._server.add(add_WorkerServiceServicer_to_server, self, "hermes.v1.WorkerService")
        port = self._server.bind(listen)
        await self._server.start()
        await self._server.set_serving(True)
        self.address = f"127.0.0.1:{port}"
        return self.address

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)

    async def Ask(  # noqa: N802 - the name is the interface
        self, request: WorkerServiceAskRequest, context: Any
    ) -> None:
        script = self.scripts[min(len(self.calls), len(self.scripts) - 1)]
        script = self.by_camera.get(request.question.camera_id, script)
        with _seen(self.calls, request, context):
            for step in script:
                await self._play(step, request, context)

    async def AskMany(  # noqa: N802 - the name is the interface
        self, request: WorkerServiceAskManyRequest, context: Any
    ) -> None:
        if not self.knows_many:  # what gRPC says for a method that a server does not have
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        self.many.append(request)
        await ask_each(self.Ask, request, context)

    async def Inspect(  # noqa: N802 - the name is the interface
        self, request: WorkerServiceInspectRequest, context: Any
    ) -> WorkerServiceInspectResponse:
        look = self.looks[min(len(self.inspections), len(self.looks) - 1)]
        with _seen(self.inspections, request, context):
            if not isinstance(look, Show):
                await _fail(look, context)
                raise AssertionError("a fault has no contents")
            epoch = request.epoch if look.epoch is None else look.epoch
            message = message_of(replace(look.contents, epoch=epoch))
            return WorkerServiceInspectResponse(contents=message)

    async def GetEvidence(  # noqa: N802 - the name is the interface
        self, request: WorkerServiceGetEvidenceRequest, context: Any
    ) -> WorkerServiceGetEvidenceResponse:
        find = self.finds[min(len(self.searches), len(self.finds) - 1)]
        with _seen(self.searches, request, context):
            if not isinstance(find, Find):
                await _fail(find, context)
                raise AssertionError("a fault finds nothing")
            epoch = request.epoch if find.epoch is None else find.epoch
            return WorkerServiceGetEvidenceResponse(evidence=find.evidence, epoch=epoch)

    async def Merge(  # noqa: N802 - the name is the interface
        self, request: WorkerServiceMergeRequest, context: Any
    ) -> None:
        script = self.mergers[min(len(self.merges), len(self.mergers) - 1)]
        with _seen(self.merges, request, context):
            for step in script:
                match step:
                    case Say(text):
                        await context.write(WorkerServiceMergeResponse(delta=Delta(text=text)))
                    case End():
                        complete = Complete(finish_reason=FINISH_REASON_STOP, model=MODEL)
                        await context.write(WorkerServiceMergeResponse(complete=complete))
                    case Rest(seconds):
                        await asyncio.sleep(seconds)
                    case _:
                        await _fail(step, context)

    async def ListFrames(  # noqa: N802 - the name is the interface
        self, request: WorkerServiceListFramesRequest, context: Any
    ) -> None:
        epoch = request.epoch if self.frames_epoch is None else self.frames_epoch
        with _seen(self.listings, request, context):
            for step in self.frames:
                if not isinstance(step, FramePicture):
                    await _fail(step, context)
                    continue
                await context.write(WorkerServiceListFramesResponse(frame=step, epoch=epoch))
                self.frames_sent += 1

    async def Evaluate(  # noqa: N802 - the name is the interface
        self, request: WorkerServiceEvaluateRequest, context: Any
    ) -> WorkerServiceEvaluateResponse:
        judged = self.judges.get(request.camera_id, Judged(0.5))
        with _seen(self.evaluations, request, context):
            if not isinstance(judged, Judged):
                await _fail(judged, context)
                raise AssertionError("a fault finds nothing")
            evaluation = Evaluation(value=judged.value, holds=judged.holds)
            evaluation.captured.FromMilliseconds(1_700_000_000_000)
            response = WorkerServiceEvaluateResponse(
                evaluation=evaluation, epoch=request.epoch if judged.epoch is None else judged.epoch
            )
            for number in range(request.evidence.frames):
                frame = response.evidence.frames.add(frame=number)
                frame.picture = b"\xff\xd8" if request.evidence.pictures else b""
            return response

    async def _play(self, step: Step, request: WorkerServiceAskRequest, context: Any) -> None:
        match step:
            case Say(text, after_s):
                if after_s:
                    await asyncio.sleep(after_s)
                await context.write(WorkerServiceAskResponse(delta=Delta(text=text)))
            case End(epoch, also):
                complete = Complete(
                    finish_reason=FINISH_REASON_STOP,
                    question_tokens=5,
                    answer_tokens=3,
                    epoch=request.epoch if epoch is None else epoch,
                    model=MODEL,
                )
                complete.timings.warm_time_to_first_token.FromMilliseconds(12)
                complete.timings.fresh_time_to_first_token.FromMilliseconds(34)
                complete.timings.time_per_output_token.FromMilliseconds(5)
                span = complete.coverage.span
                span.start.FromMilliseconds(1_700_000_000_000)
                span.end.FromMilliseconds(1_700_000_060_000)
                complete.coverage.frames = 30
                complete.MergeFrom(also)
                await context.write(WorkerServiceAskResponse(complete=complete))
            case Rest(seconds):
                await asyncio.sleep(seconds)
            case _:
                await _fail(step, context)


async def _fail(fault: Fault, context: Any) -> None:
    match fault:
        case Fail(error):
            raise error
        case Crash(text):
            raise RuntimeError(text)
        case Abort(code, text):
            await context.abort(code, text)
        case Hang():
            await asyncio.sleep(3600)


@contextmanager
def _seen(calls: list[Seen], request: Any, context: Any) -> Iterator[None]:
    """Record a call, and how it ends."""
    names = context.auth_context().get("x509_common_name", [b""])
    mark = caller_in(context.invocation_metadata())
    seen = Seen(request, context.time_remaining(), names[0].decode(), mark)
    calls.append(seen)
    try:
        yield
    except asyncio.CancelledError:
        seen.cancelled_at = time.monotonic()
        raise
    finally:
        seen.ended.set()


async def _talk_for_ever() -> None:
    worker = FakeWorker([Say("word ", 0.02)] * 10_000)
    print(await worker.start(), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_talk_for_ever())
