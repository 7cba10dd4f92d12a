"""The engine: one device thread that serves many memories, one step at a time."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from hermes.engine.admission import Admission
from hermes.engine.answer import Answer, AnswerSink
from hermes.engine.answering import Answers
from hermes.engine.camera import CameraHandle
from hermes.engine.config import EngineConfig
from hermes.engine.copying import Copying
from hermes.engine.crowd import LEAST_TOKENS, SHORTER
from hermes.engine.frame_passes import FramePasses
from hermes.engine.ingesting import Ingesting, Stopping
from hermes.engine.mailbox import SHUTTING_DOWN, Mailbox
from hermes.engine.merging import Merging
from hermes.engine.new_memories import NewMemories
from hermes.engine.observer import EngineObserver
from hermes.engine.question_pass import QuestionPass
from hermes.engine.scheduler import (
    Answering,
    Idle,
    Ingest,
    PassSize,
    Scheduler,
    Watching,
    Weigh,
)
from hermes.engine.session import Session
from hermes.engine.share import Share
from hermes.engine.snapshot import limit_of
from hermes.engine.standing import MOST_TOKENS
from hermes.engine.warm_up import WarmUp
from hermes.engine.weighing import WEIGHED_AT_ONCE, Weighings
from hermes.errors import (
    CameraNotOwned,
    InvalidInput,
    Overloaded,
    Unavailable,
    Unsupported,
    as_hermes_error,
)
from hermes.memory import Device, device_of
from hermes.merged_question import CameraAnswer
from hermes.question import Question
from hermes.vlm import VideoMemory, VideoModel
from hermes.vlm.preprocess import fit

log = logging.getLogger(__name__)

IDLE_S = 1.0
"""How often an idle device thread wakes to report that it is alive."""


class Engine:
    """Runs cameras and questions on one device. All public methods are thread-safe.

    `open` returns a `CameraHandle`, through which frames are offered and questions
    asked. The engine's own thread does the work. Under load a question is refused
    before it begins (`Overloaded`), never half-way.
    """

    def __init__(
        self,
        model: VideoModel,
        config: EngineConfig,
        observer: EngineObserver,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        device: Device | None = None,
    ) -> None:
        """`device`: that of the model by default."""
        self._device = device or device_of(model.shape.device)
        self._device.enter()
        self.model = model
        self.config = config
        self._memories = NewMemories(model, config)
        self._clock = clock
        self.capacity = config.max_cameras
        """How many memories this engine holds: `max_cameras`, or what `warm_up` found to fit."""
        self._mailbox = Mailbox()
        self.at_once = self._mailbox.at_once
        """Questions that are asked within it come to the device together. Do not wait within it."""
        self._admission = Admission(config)
        self._scheduler: Scheduler[int] = Scheduler(config.questions_per_ingest)
        self._sessions: dict[int, Session] = {}
        reach = self._memories.reach
        self._question_pass = QuestionPass(
            model,
            reach,
            device=self._device,
            most_tokens=config.prefill_tokens + config.max_questions,
        )
        self._weighings = Weighings(
            model,
            most_tokens=WEIGHED_AT_ONCE,
            clock=clock,
            took=self._admission.weighed,
        )
        self._share = Share(config.watch_share, clock)
        most = config.max_pass_frames * model.most_frame_tokens
        slice_s = config.slice_s or self._device.slice_s
        self._answers = Answers(
            model,
            self._question_pass,
            self._weighings,
            max_question_tokens=config.max_question_tokens,
            prefill_tokens=config.prefill_tokens,
            max_wait_s=config.max_wait_s,
            clock=clock,
            read=self._admission.read,
            watched=self._share.took,
            ended=self._ended,
            give_way=self._give_way,
            look_around=self._look_around,
            standing_size=PassSize(MOST_TOKENS, slice_s, config.prefill_tokens),
            crowd_size=PassSize(MOST_TOKENS, slice_s / SHORTER, LEAST_TOKENS),
            device=self._device,
        )
        self._ingesting = Ingesting(
            self._device,
            PassSize(most, slice_s, model.most_frame_tokens),
            PassSize(most, slice_s / SHORTER, model.most_frame_tokens),
            observer,
            clock=clock,
            wall_clock=wall_clock,
            give_way=self._give_way,
            taken=self._answers.frames_came,
        )
        self._copying = Copying(self._device.copier())
        self._frames = FramePasses(self._sessions, self._scheduler, self._ingesting, self._copying)
        self._numbers = itertools.count()
        self._open: set[int] = set()
        self._lock = threading.Lock()  # of `_open`
        self._failure: BaseException | None = None
        self._beat: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)

        probe = self.new_memory()  # an impossible configuration fails here, not at the first camera
        self._snapshot_limit = limit_of(probe)
        probe.close()
        self._merging: Merging | Unsupported
        try:
            self._merging = Merging(model, config, reach, self._handle)
        except Unsupported as error:
            self._merging = error

    # -- from any thread -----------------------------------------------------

    def warm_up(self) -> None:
        """Run every kind of pass once, and measure how many memories fit. Call it before `start`.

        Raises `InvalidInput` if not even one memory fits.
        """
        self._device.enter()
        self._question_pass.prepare(self.model.prefix())
        self.model.forms.warm_up()
        changes = self.config.changes
        # Everything counts as a change: passes are then as large as they get.
        whole = None if changes is None else replace(changes, threshold=0.0)
        memories, slabs = self._memories, self._memories.slabs
        fit = WarmUp(partial(memories.make, whole), slabs, self.config, self._device).run()
        self.capacity, slabs.most_read = fit.cameras, fit.read_at_once

    def prepare(self, picture: Tensor) -> Tensor:
        """Resize a picture [3, height, width] uint8 for the model; pin it if the device is a GPU.

        Decoding threads call this, so that the device's thread has less to do.
        """
        try:
            size = self.model.fitted((picture.shape[-2], picture.shape[-1]))
        except InvalidInput:
            return picture  # the device refuses it, by name
        fitted = fit(picture.unsqueeze(0), size)[0]
        self._device.enter()
        return self._device.pinned(fitted)

    def start(self, beat: Callable[[], None] = lambda: None) -> None:
        """Start the device's thread. It calls `beat` at least about once a second while it makes
        progress.
        """
        self._beat = beat
        self._thread.start()

    def wind_down(self) -> None:
        """Take in no more frames, but for those that complete a log entry already begun.

        For the last snapshots, which would otherwise wait for the frames of all cameras, layer by
        layer. The frames that are left out are in the log still.
        """
        self._frames.winding_down = True

    def stop(self) -> None:
        """Fail all open answers, end the thread, and free all memories."""
        self._mailbox.stop()
        if self._thread.is_alive():
            self._thread.join()
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
        self._memories.slabs.clear()
        self._question_pass.forget()

    def join(self) -> None:
        """Wait until the device's thread has ended."""
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the device's thread is running."""
        return self._thread.is_alive() and self._failure is None

    def open(self, camera_id: str) -> CameraHandle:
        """Open a camera with an empty memory.

        Raises `Overloaded` if all memories are in use, and `Unavailable` if the engine is stopping.
        """
        session = Session(camera_id, next(self._numbers), self.config.max_pending_frames)
        with self._lock:
            if len(self._open) >= self.capacity:
                raise Overloaded(f"all {self.capacity} memories are in use")
            self._open.add(session.number)
        try:
            self._mailbox.post(lambda: self._begin(session))
        except Unavailable:
            self._open.discard(session.number)
            raise
        return self._handle(session)

    def merge(
        self,
        question: Question,
        answers: Sequence[CameraAnswer],
        sink: AnswerSink,
        caller: str = "",
    ) -> tuple[Answer, int]:
        """Have one answer made of several cameras' answers: `Merging.ask` says how.

        Raises `Unsupported` if the model cannot be asked about text alone.
        """
        if isinstance(self._merging, Unsupported):
            raise self._merging
        return self._merging.ask(question, answers, sink, caller)

    def _handle(self, session: Session) -> CameraHandle:
        return CameraHandle(
            session,
            self._mailbox,
            self._answers,
            self._copying,
            self._admission,
            self.model.forms,
            self.config,
            self._clock,
            self._close,
        )

    def new_memory(self) -> VideoMemory:
        """Make an empty memory. Call it on the device's thread, or before `start`."""
        return self._memories.make(self.config.changes)

    @property
    def open_questions(self) -> int:
        """Questions that are waiting or being answered."""
        return self._admission.open

    @property
    def snapshot_limit(self) -> int:
        """The most bytes that a snapshot of one of this engine's memories can have."""
        return self._snapshot_limit

    def standing_figures(self) -> tuple[float, float]:
        """Standing questions a second that this device can answer within its share, and answers.

        The first is 0 until it is known. Any thread.
        """
        return self._share.figures()

    def nudge(self) -> None:
        """Wake the device's thread, so that it drops cancelled answers at once."""
        self._mailbox.wake()

    def _close(self, session: Session) -> None:
        with self._lock:
            self._open.discard(session.number)
        try:
            self._mailbox.post(lambda: self._end(session))
        except Unavailable:
            log.debug("%s closed after the engine", session.camera_id)

    # -- on the device's thread ----------------------------------------------

    def _run(self) -> None:
        try:
            self._device.enter()
            with torch.inference_mode():
                while True:
                    self._turn()
        except Stopping:
            pass
        except BaseException as error:
            self._failure = error
            log.exception("the device thread failed")
        finally:
            self._mailbox.close()
            self._answers.fail_all(Unavailable(SHUTTING_DOWN))
            self._copying.fail(Unavailable(SHUTTING_DOWN))

    def _turn(self) -> None:
        self._look_around()
        self._copying.step()
        waiting = self._frames.waiting()
        answers, room = self._answers, self._ingesting.size.tokens
        weighed = self._weighings.open
        match self._scheduler.next(
            *answers.asked(frames_wait=bool(waiting)),
            waiting,
            room,
            weighed,
            answers.standing,
            share_left=self._share.left,
            short_room=self._ingesting.short_size.tokens,
            cameras=len(self._sessions),
        ):
            case Answering():
                answers.step()
            case Weigh():
                self._weighings.step()
            case Watching():
                answers.watch()
            case Ingest(frames):
                self._frames.run(frames, waiting)
            case Idle():
                if not self._copying.busy:
                    self._mailbox.wait(IDLE_S)

    def _give_way(self, done: float, given: int) -> bool:
        """Between two slices of a pass over frames, run a pass of others that should go first.

        Returns whether it ran one. Raises `Stopping` if the engine stops.
        """
        self._look_around()
        if not self._scheduler.gives_way(*self._answers.asked(frames_wait=True), done, given):
            return self._frames.let_few_first()
        self._answers.step()
        return True

    def _look_around(self) -> None:
        """Run the commands of other threads. Raises `Stopping` once the engine should stop."""
        self._beat()
        if not self._mailbox.run(_command_failed):
            raise Stopping
        self._answers.drop_cancelled()

    def _begin(self, session: Session) -> None:
        try:
            session.open(self.new_memory())
        except Exception as error:  # the device is full
            session.failure = as_hermes_error(error, f"a memory for {session.camera_id}")
            return
        self._sessions[session.number] = session

    def _end(self, session: Session) -> None:
        if self._sessions.pop(session.number, None) is None:
            return  # making its memory failed
        gone = CameraNotOwned(session.camera_id)
        self._answers.fail_all(gone, session)
        self._copying.fail(gone, session)
        session.close()

    def _ended(self, answer: Answer) -> None:
        """Count a question as over, which makes room for another."""
        if answer.standing:
            self._admission.standing_ended()
            return
        weighed = answer.question.evidence > 0
        self._admission.ended(
            answer.camera_id, unread=answer.unread, weighed=weighed, caller=answer.caller
        )


def _command_failed(error: Exception) -> None:
    """Log it. A command concerns one camera; the others go on."""
    log.error("a command failed", exc_info=error)
