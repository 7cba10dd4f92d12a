"""Workers that own cameras with a real memory, in compressed time.

Time stands still while the device works: what is measured is what a memory and its watches find,
not how long a device takes. Redis is replaced by what it keeps: states, messages, checkpoints, and
the frames since.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from torch import Tensor

from benchmarks.listening import Watch as Observer
from benchmarks.watched.told import Told
from hermes.demo.limits import LIMITS
from hermes.engine import AnswerResult, Batch, CameraHandle, Engine, EngineConfig, FrameInput
from hermes.engine.answer import Answer, AnswerSink
from hermes.engine.copying import Snapshot
from hermes.engine.session import SessionReport
from hermes.errors import HermesError
from hermes.memory import FrameStamp
from hermes.question import Question
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import EVENT_TYPE_CLOSED, EVENT_TYPE_OPENED, Event
from hermes.v1.watch_pb2 import Watch
from hermes.vlm import VideoModel
from services.common.frame_log import LogId
from services.common.leases import Fence, Lease
from services.common.metrics import Metrics
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.watches.cooldown import Claim
from services.hermes_worker.watches.series import Series
from services.hermes_worker.watches.watched_camera import WatchedCamera

CHECKPOINT_EVERY_S = 60
OWNERLESS_S = 12
"""A lease's 10 s, and what a takeover takes."""
WITHIN_S = 120.0
BATCH = 32
"""Frames that are offered at once, as a worker does."""


class Owned:
    """A camera: what outlives its owners, and its present one."""

    def __init__(self, camera_id: str, engine: Engine, clock: Callable[[], float]) -> None:
        self.camera = Camera(id=camera_id)
        self.messages: list[tuple[int, Event]] = []
        self.asked = 0
        self.owners = 0
        self._engine, self._clock = engine, clock
        self._states: dict[str, bytes] = {}
        self._log: list[tuple[int, Tensor]] = []  # since the checkpoint
        self._checkpoint: Snapshot | None = None
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._series = Series(Metrics())
        self._handle: _Counting | None = None
        self._watched: WatchedCamera | None = None
        self.take()

    @property
    def owned(self) -> bool:
        """Whether it has an owner."""
        return self._handle is not None

    def take(self) -> None:
        """A new owner restores the last checkpoint, and reads the log since."""
        self.owners += 1
        lease = Lease(self.camera.id, "worker", Fence(f"worker-{self.owners}", self.owners))
        self._handle = _Counting(self._engine.open(self.camera.id))
        if self._checkpoint is not None:
            self._handle.inner.restore(self._checkpoint).result(WITHIN_S)
        tenure = Tenure(self.camera, cast("CameraHandle", self._handle), lease)
        tenure.aim(LogId(0, 0), lease)
        tenure.progress()
        self._watched = WatchedCamera(
            tenure, lease, self, _NoCooldowns(), self._series, self._work.put,
            model="demo", sentence="", wall_clock=self._clock,
        )  # fmt: skip
        self._offer(self._log)

    def kill(self) -> None:
        """The owner is gone, with its memory and what it was just asking."""
        assert self._handle is not None
        self._handle.inner.close()
        self._handle = self._watched = None
        while not self._work.empty():
            self._work.get_nowait()

    def show(self, second: int, picture: Tensor) -> None:
        """A frame comes into the log, and to the owner."""
        self._log.append((second, picture))
        if self.owned:
            self._offer([(second, picture)])

    def _offer(self, frames: Sequence[tuple[int, Tensor]]) -> None:
        assert self._handle is not None
        handle = self._handle.inner
        for at in range(0, len(frames), BATCH):
            some = frames[at : at + BATCH]
            _until(partial(_has_room, handle, len(some)))
            inputs = [FrameInput(picture, FrameStamp(second * 1000)) for second, picture in some]
            handle.offer(Batch(inputs, f"{some[-1][0]}-0"))

    def seen(self, second: int) -> bool:
        """Whether memory holds the frame of this second."""
        return self._handle is None or self._handle.report().coverage.end_ms == second * 1000

    def begin(self, watches: Mapping[str, Watch]) -> None:
        """Ask what is due."""
        if self._watched is not None:
            self._watched.round(self.camera, watches)

    def finish(self, watches: Mapping[str, Watch]) -> None:
        """Wait for what was asked, and hand on what follows."""
        if self._watched is None or self._handle is None:
            return
        handle = self._handle
        _until(lambda: handle.open == 0)
        while not self._work.empty():
            self._work.get_nowait()()
        self._watched.round(self.camera, watches)
        self.asked += handle.take_asked()

    def keep(self) -> None:
        """Make a checkpoint."""
        if self._handle is not None:
            self._checkpoint = self._handle.inner.snapshot().result(WITHIN_S)
            self._log = []

    # -- what a worker writes into Redis ----------------------------------------

    def read(self) -> dict[str, bytes]:
        return dict(self._states)

    def write(self, states: Mapping[str, bytes | None], events: Sequence[Event] = ()) -> None:
        for watch_id, state in states.items():
            if state:
                self._states[watch_id] = state
            else:
                self._states.pop(watch_id, None)
        self.messages += [(int(self._clock()), event) for event in events]

    def publish(self) -> int:
        return 0


class _Counting:
    """A `CameraHandle` that knows how many of its questions are open."""

    def __init__(self, inner: CameraHandle) -> None:
        self.inner = inner
        self.open = 0
        self._asked = 0
        self._lock = threading.Lock()

    @property
    def max_answer_tokens(self) -> int:
        return self.inner.max_answer_tokens

    def report(self) -> SessionReport:
        return self.inner.report()

    def ask_standing(
        self, questions: Sequence[tuple[Question, AnswerSink]]
    ) -> list[Answer | HermesError]:
        with self._lock:
            self.open += len(questions)
        found = self.inner.ask_standing(
            [(one, _Ended(sink, self._ended)) for one, sink in questions]
        )
        answers = sum(isinstance(one, Answer) for one in found)
        with self._lock:
            self.open -= len(questions) - answers  # the others are not asked
            self._asked += answers
        return found

    def _ended(self) -> None:
        with self._lock:
            self.open -= 1

    def take_asked(self) -> int:
        asked, self._asked = self._asked, 0
        return asked


class _Ended:
    """An `AnswerSink` that says when it is over."""

    def __init__(self, inner: AnswerSink, over: Callable[[], None]) -> None:
        self._inner, self._over = inner, over

    def delta(self, text: str) -> None:
        self._inner.delta(text)

    def done(self, result: AnswerResult) -> None:
        self._inner.done(result)
        self._over()

    def failed(self, error: HermesError) -> None:
        self._inner.failed(error)
        self._over()


class _NoCooldowns:
    def claim(self, claim: Claim, cooldown_ms: int) -> bool:
        return True


def engine_for(model: VideoModel, cameras: int, clock: Callable[[], float]) -> Engine:
    """An engine with the demo's limits, as a worker has it."""
    limits: dict[str, Any] = dict(LIMITS)
    config = EngineConfig(max_cameras=cameras, ingest="auto", watch_share=1.0, **limits)
    return Engine(model, config, Observer(), wall_clock=clock)


def told_by(cameras: Sequence[Owned]) -> tuple[list[Told], int]:
    """Their events, and how many opened or closed twice."""
    told: list[Told] = []
    wrong = 0
    for camera in cameras:
        opened: dict[str, tuple[int, Event]] = {}
        closed: dict[str, int] = {}
        for second, event in camera.messages:
            if event.type == EVENT_TYPE_OPENED:
                wrong += event.id in opened
                opened[event.id] = second, event
            elif event.type == EVENT_TYPE_CLOSED:
                wrong += event.id in closed or event.id not in opened
                closed[event.id] = second
        told += [
            Told(
                event.watch_id, event.camera_id, event.opened.ToMilliseconds() // 1000, second,
                closed.get(event_id),
            )
            for event_id, (second, event) in opened.items()
        ]  # fmt: skip
    return sorted(told, key=lambda one: (one.sent, one.camera_id, one.watch_id)), wrong


def _has_room(handle: CameraHandle, frames: int) -> bool:
    return handle.room() >= frames


def _until(condition: Callable[[], bool]) -> None:
    late = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > late:
            raise TimeoutError("the device does not come to an end")
        time.sleep(0.0005)
