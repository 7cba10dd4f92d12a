"""The device's thread: many memories, one copy of the weights, one step at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import torch

from hermes.contents import MemoryContents
from hermes.engine.answer import Answer, AnswerSink, FinishReason
from hermes.engine.config import EngineConfig
from hermes.engine.look import SHUTTING_DOWN, Look
from hermes.engine.observer import EngineObserver
from hermes.engine.scheduler import Decode, Idle, Ingest, Prefill, Scheduler
from hermes.engine.session import Batch, Session, SessionReport
from hermes.errors import CameraNotOwned, HermesError, InvalidInput, Overloaded, Unavailable
from hermes.memory import POLICIES, MemoryConfig, PackedPass
from hermes.vlm import VideoMemory, VideoModel, guidance_prompts

log = logging.getLogger(__name__)


class Engine:
    """Runs cameras and questions on one device. All public methods are thread-safe.

    `open`, `close` and `offer` return at once; the work is done on the
    engine's own thread. What a question costs is refused before it begins
    (`Overloaded`), never half-way.
    """

    def __init__(
        self,
        model: VideoModel,
        config: EngineConfig,
        observer: EngineObserver,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.model = model
        self.config = config
        self.memory_config = MemoryConfig(
            budget=config.budget_tokens,
            headroom=config.compress_every_frames * model.layout.tokens,
            position_limit=model.position_limit,
            position_reserve=config.max_question_tokens + config.max_answer_tokens,
        )
        self._observer = observer
        self._clock = clock
        self._wall_clock = wall_clock
        self._scheduler = Scheduler(config.questions_per_ingest)
        self._sessions: dict[str, Session] = {}
        self._waiting: deque[Answer] = deque()  # for frames
        self._ready: deque[Answer] = deque()  # for the device
        self._answers: list[Answer] = []
        self._pending_frames: dict[str, int] = {}
        self._inbox: deque[Callable[[], None]] = deque()
        self._questions = 0
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._stopping = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)

        self._prompts = guidance_prompts(model) if POLICIES[config.policy]().guided else None
        self.new_memory()  # what cannot work is refused now, not at the first camera

    # -- from any thread -----------------------------------------------------

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """End all answers, and the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def join(self) -> None:
        """Wait until the device's thread has ended."""
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the device's thread is running."""
        return self._thread.is_alive() and self._failure is None

    def open(self, camera_id: str) -> None:
        """Give a camera an empty memory. Opening it twice changes nothing."""
        with self._lock:
            if camera_id not in self._pending_frames:
                if len(self._pending_frames) >= self.config.max_cameras:
                    raise Overloaded(f"all {self.config.max_cameras} memories are in use")
                self._pending_frames[camera_id] = 0
        self._post(lambda: self._open(camera_id))

    def close(self, camera_id: str) -> None:
        """Forget a camera; its questions fail."""
        with self._lock:
            self._pending_frames.pop(camera_id, None)
        self._post(lambda: self._close(camera_id))

    def new_memory(self) -> VideoMemory:
        """An empty memory, as each camera gets one. On the device's thread, or before `start`."""
        return VideoMemory(
            self.model,
            POLICIES[self.config.policy](),
            config=self.memory_config,
            compress_every_frames=self.config.compress_every_frames,
            prompts=self._prompts,
        )

    def room(self, camera_id: str) -> int:
        """Frames of this camera that may be offered now."""
        with self._lock:
            pending = self._pending_frames.get(camera_id)
        return 0 if pending is None else max(0, self.config.max_pending_frames - pending)

    def offer(self, camera_id: str, batch: Batch) -> None:
        """Queue frames. Raises `Overloaded` if there is no room for them."""
        with self._lock:
            pending = self._pending_frames.get(camera_id)
            if pending is None:
                return  # closed in between
            if pending and pending + len(batch.frames) > self.config.max_pending_frames:
                raise Overloaded(f"camera {camera_id!r} has {pending} frames waiting")
            self._pending_frames[camera_id] = pending + len(batch.frames)
        self._post(lambda: self._offer(camera_id, batch))

    def report(self, camera_id: str) -> SessionReport | None:
        """The camera's memory as it is now, or None if it is not open."""
        session = self._sessions.get(camera_id)
        return None if session is None else session.report

    def ask(
        self,
        camera_id: str,
        text: str,
        sink: AnswerSink,
        *,
        max_tokens: int | None = None,
        ready: Callable[[str], bool] | None = None,
    ) -> Answer:
        """Ask; the answer goes to `sink`. Raises before anything is started if it is refused.

        `ready`: begin only once this holds for the camera's cursor, so that
        the answer has seen every frame up to there. Cheap: it is asked after
        each frame.
        """
        limit = self.config.max_answer_tokens
        max_tokens = max_tokens or limit
        if max_tokens > limit:
            raise InvalidInput("question.max_tokens", f"is more than the {limit} allowed here")
        with self._lock:
            self._require_running()
            if self._questions >= self.config.max_questions:
                raise Overloaded(f"{self._questions} questions are open on this worker")
            self._questions += 1
            answer = Answer(camera_id, text, max_tokens, sink, ready, self._clock())
            self._inbox.append(lambda: self._accept(answer))
            self._wake.notify()
        return answer

    def inspect(self, camera_id: str) -> Future[MemoryContents]:
        """What the camera's memory holds, once the device's thread comes round to it.

        The future fails with `CameraNotOwned` if the camera is not open then,
        and with `Unavailable` if the engine stops before. Raises `Unavailable`.
        """
        look = Look(camera_id)
        with self._wake:
            self._require_running()
            self._inbox.append(lambda: look.take(self._sessions.get(camera_id), self._stopping))
            self._wake.notify()
        return look.contents

    def _require_running(self) -> None:
        """Under the lock, under which commands are posted too: none is left behind at the end."""
        if self._stopping or self._failure is not None:
            raise Unavailable(SHUTTING_DOWN)

    def _post(self, command: Callable[[], None]) -> None:
        with self._wake:
            self._inbox.append(command)
            self._wake.notify()

    def nudge(self) -> None:
        """Let the device's thread look at cancelled answers at once."""
        self._post(lambda: None)

    # -- on the device's thread ----------------------------------------------

    def _run(self) -> None:
        try:
            with torch.inference_mode():
                while self._turn():
                    pass
        except BaseException as error:
            self._failure = error
            log.exception("the device thread failed")
        finally:
            self._fail_all(Unavailable(SHUTTING_DOWN))

    def _turn(self) -> bool:
        if not self._run_commands():
            return False
        self._drop_cancelled()
        waiting = {
            camera_id: session.waiting_since
            for camera_id, session in self._sessions.items()
            if session.pending
        }
        match self._scheduler.next(len(self._ready), len(self._answers), waiting):
            case Prefill():
                self._prefill(self._ready.popleft())
            case Decode():
                self._decode()
            case Ingest(camera_id):
                self._ingest(self._sessions[camera_id])
            case Idle():
                with self._wake:
                    if not self._inbox and not self._stopping:
                        self._wake.wait()
        return True

    def _run_commands(self) -> bool:
        """Do what was asked for from other threads. False once the engine is to stop."""
        with self._wake:
            commands = list(self._inbox)
            self._inbox.clear()
            stopping = self._stopping
        for command in commands:
            try:
                command()
            except Exception:
                log.exception("a command failed")  # of one camera; the others go on
        return not stopping

    def _open(self, camera_id: str) -> None:
        if camera_id in self._sessions:
            return
        self._sessions[camera_id] = Session(camera_id, self.new_memory())

    def _close(self, camera_id: str) -> None:
        if self._sessions.pop(camera_id, None) is None:
            return
        for answer in [*self._waiting, *self._ready, *self._answers]:
            if answer.camera_id == camera_id:
                self._fail(answer, CameraNotOwned(camera_id))

    def _offer(self, camera_id: str, batch: Batch) -> None:
        session = self._sessions.get(camera_id)
        if session is not None:
            session.offer(batch)

    def _accept(self, answer: Answer) -> None:
        session = self._sessions.get(answer.camera_id)
        if session is None:
            self._fail(answer, CameraNotOwned(answer.camera_id))
        elif answer.is_ready(session.report.cursor):
            self._make_ready(answer)
        else:
            self._waiting.append(answer)

    def _make_ready(self, answer: Answer) -> None:
        answer.ready = self._clock()
        self._ready.append(answer)

    def _ingest(self, session: Session) -> None:
        frame, cursor = session.pending.popleft()
        lag = None
        if frame is not None:
            try:
                compression = session.memory.take(
                    frame.picture, frame.stamp, after_gap=frame.after_gap
                )
            except Exception as error:
                # One camera's fault touches no other: the frame is skipped.
                log.warning("frame of %s skipped: %s", session.camera_id, error)
                self._observer.frame_failed(session.camera_id, error)
            else:
                if not frame.replayed:
                    lag = max(0.0, self._wall_clock() - frame.stamp.capture_ms / 1000)
                self._observer.frame_in_memory(session.camera_id, lag)
                if compression is not None:
                    self._observer.compressed(session.camera_id, compression.evicted_tokens)
            with self._lock:
                if session.camera_id in self._pending_frames:
                    self._pending_frames[session.camera_id] -= 1
        session.publish(cursor, lag)
        self._release_waiting(session)

    def _release_waiting(self, session: Session) -> None:
        for answer in list(self._waiting):
            if answer.camera_id == session.camera_id and answer.is_ready(session.report.cursor):
                self._waiting.remove(answer)
                self._make_ready(answer)

    def _prefill(self, answer: Answer) -> None:
        answer.started = self._clock()
        session = self._sessions[answer.camera_id]
        try:
            question = self.model.question(answer.text)
            if len(question) > self.config.max_question_tokens:
                raise InvalidInput(
                    "question.text",
                    f"is {len(question)} tokens long; at most {self.config.max_question_tokens}",
                )
            answer.question_tokens = len(question)
            answer.branch = session.memory.cache.branch(len(question) + answer.max_tokens)
            answer.stream = self.model.text_stream()
            row = answer.branch.row(len(question))
            hidden = self.model.forward(question, PackedPass([row]))
            answer.branch.commit(row)
            token = int(self.model.logits(hidden[-1:]).argmax())
            self._answers.append(answer)
            self._take(answer, token)
        except HermesError as error:
            self._fail(answer, error)
        except Exception as error:
            log.exception("question to %s failed", answer.camera_id)
            self._fail(answer, HermesError(f"internal error ({type(error).__name__})"))

    def _decode(self) -> None:
        answers = list(self._answers)
        try:
            rows = [answer.branch.row(1) for answer in answers if answer.branch is not None]
            inputs = torch.cat([a.next_input for a in answers if a.next_input is not None])
            hidden = self.model.forward(inputs, PackedPass(rows))
            tokens = self.model.logits(hidden).argmax(dim=-1).tolist()
        except Exception as error:
            log.exception("a decode step failed")
            for answer in answers:
                self._fail(answer, HermesError(f"internal error ({type(error).__name__})"))
            return
        for answer, row, token in zip(answers, rows, tokens, strict=True):
            try:
                if answer.branch is not None:
                    answer.branch.commit(row)
                self._take(answer, token)
            except Exception as error:  # of this answer alone
                log.exception("an answer about %s failed", answer.camera_id)
                self._fail(answer, HermesError(f"internal error ({type(error).__name__})"))

    def _take(self, answer: Answer, token: int) -> None:
        """Pass one token on, and end the answer where it ends."""
        assert answer.stream is not None
        answer.took_token(self._clock())
        if token in self.model.end_ids:
            self._finish(answer, "stop")
            return
        text = answer.stream.push(token)
        if text:
            answer.sink.delta(text)
        if answer.tokens >= answer.max_tokens:
            self._finish(answer, "length")
        else:
            answer.next_input = self.model.embed([token])

    def _finish(self, answer: Answer, reason: FinishReason) -> None:
        result = answer.result(reason)
        self._forget(answer)
        answer.sink.done(result)

    def _fail(self, answer: Answer, error: HermesError) -> None:
        self._forget(answer)
        answer.sink.failed(error)

    def _forget(self, answer: Answer) -> None:
        answer.close()
        for queue in (self._waiting, self._ready, self._answers):
            if answer in queue:
                queue.remove(answer)
        with self._lock:
            self._questions -= 1

    def _drop_cancelled(self) -> None:
        for answer in [*self._waiting, *self._ready, *self._answers]:
            if answer.cancelled.is_set():
                self._forget(answer)

    def _fail_all(self, error: HermesError) -> None:
        with self._lock:
            self._stopping = True  # no question comes in from here on
        self._run_commands()
        for answer in [*self._waiting, *self._ready, *self._answers]:
            self._fail(answer, error)
