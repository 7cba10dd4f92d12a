"""The device's thread: many memories, one copy of the weights, one step at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import torch
from torch import Tensor

from hermes.contents import MemoryContents
from hermes.engine.admission import Admission
from hermes.engine.answer import Answer, AnswerSink
from hermes.engine.answering import Answers
from hermes.engine.config import EngineConfig
from hermes.engine.copying import Copy, Copying, Snapshot, put_back
from hermes.engine.ingesting import Ingesting, Stopping
from hermes.engine.look import SHUTTING_DOWN, Look
from hermes.engine.observer import EngineObserver
from hermes.engine.question_pass import QuestionPass
from hermes.engine.scheduler import Answering, Idle, Ingest, PassSize, Scheduler
from hermes.engine.session import Batch, Session, SessionReport
from hermes.engine.snapshot import limit_of
from hermes.engine.warm_up import warm_up
from hermes.errors import CameraNotOwned, InvalidInput, Overloaded, Unavailable
from hermes.memory import POLICIES, MemoryConfig, SlabPool
from hermes.vlm import VideoMemory, VideoModel, guidance_prompts
from hermes.vlm.preprocess import fit

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
        self._clock = clock
        self.capacity = config.max_cameras
        """Memories that this engine takes: at most `max_cameras`; `warm_up` sees what fits."""
        self._scheduler = Scheduler(config.questions_per_ingest)
        self._sessions: dict[str, Session] = {}
        reach = len(model.prefix()) + self.memory_config.budget + self.memory_config.headroom
        reach += self.memory_config.position_reserve
        self._question_pass = QuestionPass(model, reach)
        self._answers = Answers(
            model,
            self._question_pass,
            max_question_tokens=config.max_question_tokens,
            prefill_tokens=config.prefill_tokens,
            clock=clock,
            read=self._read,
            ended=self._ended,
        )
        self._ingesting = Ingesting(
            model.shape.device,
            PassSize(config.max_pass_frames, config.slice_s),
            observer,
            wall_clock=wall_clock,
            give_way=self._give_way,
            taken=self._taken,
        )
        self._copying = Copying(lambda camera_id: self._sessions.get(camera_id))
        self._pending_frames: dict[str, int] = {}
        self._inbox: deque[Callable[[], None]] = deque()
        self._admission = Admission(config)
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._stopping = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)

        self._prompts = guidance_prompts(model) if POLICIES[config.policy]().guided else None
        self._slabs = SlabPool(model.shape)
        probe = self.new_memory()  # what cannot work is refused now, not at the first camera
        self._snapshot_limit = limit_of(probe)
        probe.close()

    # -- from any thread -----------------------------------------------------

    def warm_up(self) -> None:
        """Do everything once, and find out how many memories fit. Before `start`.

        Raises `InvalidInput` if not even one does.
        """
        self._question_pass.prepare(self.model.prefix())
        memory = self.new_memory()
        self.capacity = warm_up(memory, self.config)
        memory.close()

    def prepare(self, picture: Tensor) -> Tensor:
        """A picture [3, height, width] uint8 as the device takes it: in its size, and ready to be
        copied. For the threads that decode, so that the device's has less to do.
        """
        fitted = fit(picture.unsqueeze(0), self.model.frame_size)[0]
        return fitted.pin_memory() if self.model.shape.device.type == "cuda" else fitted

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
                if len(self._pending_frames) >= self.capacity:
                    raise Overloaded(f"all {self.capacity} memories are in use")
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
            slabs=self._slabs,
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
            self._admission.admit(camera_id)
            answer = Answer(camera_id, text, max_tokens, sink, ready, self._clock())
            self._inbox.append(lambda: self._answers.accept(answer, self._sessions.get(camera_id)))
            self._wake.notify()
        return answer

    @property
    def open_questions(self) -> int:
        """Questions that wait or are being answered."""
        with self._lock:
            return self._admission.open

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

    def snapshot(self, camera_id: str) -> Future[Snapshot]:
        """A copy of the camera's memory, taken between the device's other work.

        The future fails with `CameraNotOwned` if the camera is not open, or not
        any more, and with `Unavailable` if the engine stops. Raises `Unavailable`.
        """
        copy = Copy(camera_id)
        with self._wake:
            self._require_running()
            self._inbox.append(lambda: self._copying.want(copy, self._stopping))
            self._wake.notify()
        return copy.snapshot

    def restore(self, camera_id: str, snapshot: Snapshot) -> Future[None]:
        """Let the camera's memory, opened before, become that of the snapshot.

        The future fails as that of `snapshot` does, and with `SnapshotMismatch`
        or `SnapshotCorrupt`: the memory is then as it was. Raises `Unavailable`.
        """
        done: Future[None] = Future()
        with self._wake:
            self._require_running()
            self._inbox.append(lambda: self._restore(camera_id, snapshot, done))
            self._wake.notify()
        return done

    @property
    def snapshot_limit(self) -> int:
        """Bytes that a snapshot of a memory of this engine has at most."""
        return self._snapshot_limit

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
        except Stopping:
            pass
        except BaseException as error:
            self._failure = error
            log.exception("the device thread failed")
        finally:
            self._end()

    def _turn(self) -> bool:
        if not self._run_commands():
            return False
        self._answers.drop_cancelled()
        self._copying.step()
        held = self._copying.held
        waiting = {
            camera_id: session.backlog
            for camera_id, session in self._sessions.items()
            if session.pending and camera_id != held
        }
        answers, room = self._answers, self._ingesting.size.frames
        match self._scheduler.next(answers.ready, answers.under_way, waiting, room):
            case Answering():
                answers.step(self._sessions.get)
            case Ingest(frames):
                self._ingesting.perform({self._sessions[id]: n for id, n in frames.items()})
            case Idle():
                with self._wake:
                    if not self._inbox and not self._stopping and not self._copying.busy:
                        self._wake.wait()
        return True

    def _give_way(self, behind: float, given: int) -> bool:
        """In the middle of a pass over frames: one for questions, if one is to go first."""
        if not self._run_commands():
            raise Stopping
        answers = self._answers
        answers.drop_cancelled()
        if not self._scheduler.gives_way(answers.ready, answers.under_way, behind, given):
            return False
        answers.step(self._sessions.get)
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
        session = self._sessions.pop(camera_id, None)
        if session is not None:
            self._answers.fail_all(CameraNotOwned(camera_id), camera_id)
            session.memory.close()

    def _restore(self, camera_id: str, snapshot: Snapshot, done: Future[None]) -> None:
        session = self._sessions.get(camera_id)
        if put_back(camera_id, snapshot, session, self._stopping, done) and session is not None:
            self._answers.frames_came(session)

    def _offer(self, camera_id: str, batch: Batch) -> None:
        session = self._sessions.get(camera_id)
        if session is not None:
            session.offer(batch)

    def _taken(self, session: Session, frames: int) -> None:
        """Frames of a session, which may have been closed meanwhile, wait no longer."""
        if self._sessions.get(session.camera_id) is not session:
            return
        with self._lock:
            if session.camera_id in self._pending_frames:
                self._pending_frames[session.camera_id] -= frames
        self._answers.frames_came(session)

    def _ended(self, answer: Answer) -> None:
        """A question is over: there is room for another."""
        with self._lock:
            self._admission.ended(answer.camera_id, unread=answer.tokens == 0)

    def _read(self, questions: int, seconds: float) -> None:
        """The device has read questions: that is how long it takes."""
        with self._lock:
            self._admission.read(questions, seconds)

    def _end(self) -> None:
        with self._lock:
            self._stopping = True  # no question comes in from here on
        self._run_commands()
        self._answers.fail_all(Unavailable(SHUTTING_DOWN))
        self._copying.fail_all()
