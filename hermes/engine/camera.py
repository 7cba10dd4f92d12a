"""The handle through which other threads use a camera's memory on the device."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from hermes.contents import MemoryContents
from hermes.engine.admission import Admission
from hermes.engine.answer import Answer, AnswerSink
from hermes.engine.answering import Answers
from hermes.engine.config import EngineConfig
from hermes.engine.copying import Copy, Copying, Snapshot
from hermes.engine.evidence import Evidence
from hermes.engine.mailbox import Mailbox, fail
from hermes.engine.session import Batch, Session, SessionReport
from hermes.errors import (
    CameraNotOwned,
    HermesError,
    InvalidInput,
    Overloaded,
    Unavailable,
    as_hermes_error,
)
from hermes.memory import look_inside
from hermes.question import MAX_EVIDENCE_FRAMES, Form, Question
from hermes.vlm.choice_tokens import ChoiceTokens
from hermes.vlm.forms import Forms
from hermes.vlm.scoring import Scoring


class CameraHandle:
    """One camera's memory while it is open. All methods are thread-safe and return at once.

    `Engine.open` makes handles. Two handles never share a memory, even for one
    camera id. A closed handle refuses everything with `CameraNotOwned`; only
    `report` stays readable.
    """

    def __init__(
        self,
        session: Session,
        mailbox: Mailbox,
        answers: Answers,
        copying: Copying,
        admission: Admission,
        forms: Forms,
        config: EngineConfig,
        clock: Callable[[], float],
        on_close: Callable[[Session], None],
    ) -> None:
        self.camera_id = session.camera_id
        self._session = session
        self._mailbox = mailbox
        self._answers = answers
        self._copying = copying
        self._admission = admission
        self._forms = forms
        self._config = config
        self._clock = clock
        self._on_close = on_close
        self._closed = threading.Event()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed.is_set()

    @property
    def max_answer_tokens(self) -> int:
        """The most tokens that a question may ask for."""
        return self._config.max_answer_tokens

    @property
    def failure(self) -> HermesError | None:
        """Why the camera has no memory, if the device could not make one. Close it then."""
        return self._session.failure

    def close(self) -> None:
        """Free the memory. Its open questions fail. Closing again does nothing."""
        if not self._closed.is_set():
            self._closed.set()
            self._on_close(self._session)

    def report(self) -> SessionReport:
        """The state of the memory after the last pass over its frames."""
        return self._session.report

    def room(self) -> int:
        """How many frames may be offered now; 0 if the handle is closed."""
        return 0 if self.closed else self._session.room.free

    def offer(self, batch: Batch) -> None:
        """Queue frames. Raises `Overloaded` if there is no room for them."""
        self._require_open()
        session = self._session
        session.room.reserve(len(batch.frames))
        self._mailbox.post(lambda: session.offer(batch))

    def prepare(self, form: Form) -> None:
        """Compile a schema or regular expression for questions that follow: a fraction of a second.

        Where a thread must not wait so long, as an event loop's, another one calls this before
        `ask`. Raises `InvalidInput` for a form that no answer can have.
        """
        self._forms.prepare(form)

    def ask(
        self,
        question: Question | str,
        sink: AnswerSink,
        *,
        ready: Callable[[str], bool] | None = None,
        standing: bool = False,
        caller: str = "",
    ) -> Answer:
        """Ask a question; the answer goes to `sink`. A refused question raises here, at once.

        `ready`: a condition on the memory's cursor. The answer begins once it holds,
        so that it has seen every frame up to there. It is called after each frame
        and must be cheap. `standing`: it waits for other questions, has a place of its
        own in the admission, and takes the device within `EngineConfig.watch_share`.
        `caller`: who asks, by any name; callers take turns, and none takes all places.
        A schema or regular expression that is not prepared yet is compiled here first.
        Raises `InvalidInput`, `Overloaded` and `Unavailable`.
        """
        self._require_open()
        answer = self._answer(question, sink, ready)
        answer.standing, answer.caller = standing, caller
        if standing:
            self._admission.admit_standing()
            self._send([answer], self._admission.standing_ended)
            return answer
        passes = answer.unread
        weighed = answer.question.evidence > 0
        self._admission.admit(self.camera_id, passes, weighed=weighed, caller=caller)

        def undo() -> None:
            self._admission.ended(self.camera_id, unread=passes, weighed=weighed, caller=caller)

        self._send([answer], undo)
        return answer

    def ask_standing(
        self, questions: Sequence[tuple[Question, AnswerSink]]
    ) -> list[Answer | HermesError]:
        """Ask standing questions at once, as `ask` does, so that they are read together.

        Returns what became of each: its answer, or why it cannot be asked. Those for which there
        is no room, and all after them, are left out. Raises `CameraNotOwned` and `Unavailable`.
        """
        self._require_open()
        asked: list[Answer | HermesError] = []
        for question, sink in questions:
            try:
                answer = self._answer(question, sink)
                answer.standing = True
                self._admission.admit_standing()
            except Overloaded:
                break
            except HermesError as error:
                asked.append(error)
            else:
                asked.append(answer)
        answers = [one for one in asked if isinstance(one, Answer)]
        if answers:
            self._send(answers, self._admission.standing_ended)
        return asked

    def _answer(
        self,
        question: Question | str,
        sink: AnswerSink,
        ready: Callable[[str], bool] | None = None,
    ) -> Answer:
        limit = self._config.max_answer_tokens
        question = Question(question) if isinstance(question, str) else question
        if question.max_tokens > limit:
            raise InvalidInput("question.max_tokens", f"is more than the {limit} allowed here")
        question = replace(question, max_tokens=question.max_tokens or limit)
        prepared = self._forms.prepare(question.form)
        answer = Answer(self._session, question, sink, ready, self._clock())
        if isinstance(prepared, ChoiceTokens):
            prepared.check_length(limit)
            answer.scoring = Scoring(prepared, self._config.prefill_tokens)
            answer.unread = answer.scoring.passes
        elif prepared is not None:
            if question.sampling.stop:
                raise InvalidInput("stop", "cannot be used with a schema or a regular expression")
            answer.grammar = prepared.begin()
        return answer

    def _send(self, answers: Sequence[Answer], undo: Callable[[], None]) -> None:
        """Have the device accept them in one command. `undo`: called for each if it is refused."""

        def accept() -> None:
            for answer in answers:
                self._answers.accept(answer)

        def refuse(error: HermesError) -> None:
            for answer in answers:
                self._answers.fail(answer, error)

        try:
            self._mailbox.post(accept, refuse)
        except Unavailable:
            for _ in answers:
                undo()
            raise

    def evidence(self, answer_id: str, frames: int, *, caller: str = "") -> Future[Evidence]:
        """The frames that an answer rests on, at most so many: for a minute after it was given.

        It is found on the memory as it is now, and counts as an open question of `caller`. Raises
        `InvalidInput`, `Overloaded` and `Unavailable`. The future fails with `AnswerNotFound`, or
        as that of `snapshot` does; cancel it to drop the work.
        """
        self._require_open()
        if not 1 <= frames <= MAX_EVIDENCE_FRAMES:
            raise InvalidInput("evidence.frames", f"must be 1 to {MAX_EVIDENCE_FRAMES}")
        session, found = self._session, Future[Evidence]()
        self._admission.admit(self.camera_id, 0, weighed=True, caller=caller)
        found.add_done_callback(
            lambda _: self._admission.ended(self.camera_id, unread=0, weighed=True, caller=caller)
        )

        def find() -> None:
            try:
                self._answers.find_evidence(session, answer_id, frames, found)
            except Exception as error:
                doing = f"the evidence of an answer about {self.camera_id}"
                fail(found, as_hermes_error(error, doing))

        try:
            self._mailbox.post(find, lambda error: fail(found, error))
        except Unavailable as error:
            fail(found, error)
            raise
        return found

    def mark_lost(self, since_ms: int) -> None:
        """Record that an earlier memory of this camera was lost, so that coverage reports a gap.

        The gap begins at `since_ms`, the capture time of the last frame that the
        earlier memory is known to have seen, and ends with the first frame that is
        offered after this call.
        """
        self._require_open()
        session = self._session
        self._mailbox.post(lambda: session.memory.mark_lost(since_ms))

    def inspect(self) -> Future[MemoryContents]:
        """A description of what the memory holds. Raises `Unavailable`."""
        self._require_open()
        session = self._session
        return self._mailbox.call(
            lambda: look_inside(session.memory.cache), f"a look inside {self.camera_id}"
        )

    def snapshot(self) -> Future[Snapshot]:
        """A copy of the memory, taken a layer at a time. Raises `Unavailable`.

        The future fails with `CameraNotOwned` if the camera is closed first, and
        with `Unavailable` if the engine stops.
        """
        self._require_open()
        copy = Copy(self._session)
        self._mailbox.post(
            lambda: self._copying.want(copy), lambda error: fail(copy.snapshot, error)
        )
        return copy.snapshot

    def restore(self, snapshot: Snapshot) -> Future[None]:
        """Replace the memory by the snapshot's. Raises `Unavailable`.

        The future fails as that of `snapshot` does. If it fails with
        `SnapshotMismatch` or `SnapshotCorrupt`, the memory is unchanged.
        """
        self._require_open()
        session = self._session

        def restore() -> None:
            session.memory.restore(snapshot.state)
            session.publish(snapshot.cursor, None)
            self._answers.frames_came(session)

        return self._mailbox.call(restore, f"a restore of {self.camera_id}")

    def _require_open(self) -> None:
        if self.closed:
            raise CameraNotOwned(self.camera_id)
