"""Questions on the device: waiting, ready or under way, all served by one pass."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

from torch import Tensor

from hermes.engine.answer import Answer, FinishReason
from hermes.engine.question_pass import QuestionPass
from hermes.engine.session import Session
from hermes.errors import CameraNotOwned, HermesError, InvalidInput, as_hermes_error
from hermes.memory import BranchRow
from hermes.vlm import ChosenToken, VideoModel

log = logging.getLogger(__name__)


class Answers:
    """All open questions of an engine. Only the device's thread touches them.

    A question first waits for frames, until its camera's memory holds what it
    must see; then it waits for the device; then its answer is under way.

    `read` is called after each pass that read questions, with their number and
    the seconds it took. `ended` is called with each answer that is over, for any
    reason.
    """

    def __init__(
        self,
        model: VideoModel,
        passes: QuestionPass,
        *,
        max_question_tokens: int,
        prefill_tokens: int,
        clock: Callable[[], float],
        read: Callable[[int, float], None],
        ended: Callable[[Answer], None],
    ) -> None:
        self._model = model
        self._passes = passes
        self._max_question_tokens = max_question_tokens
        self._prefill_tokens = prefill_tokens
        self._clock = clock
        self._read = read
        self._ended = ended
        self._waiting: list[Answer] = []  # for frames
        self._ready: deque[Answer] = deque()  # for the device
        self._under_way: list[Answer] = []

    @property
    def ready(self) -> int:
        """Questions that wait only for the device."""
        return len(self._ready)

    @property
    def under_way(self) -> int:
        """Answers that have begun."""
        return len(self._under_way)

    def _all(self) -> list[Answer]:
        return [*self._waiting, *self._ready, *self._under_way]

    # -- starting and ending -------------------------------------------------

    def accept(self, answer: Answer) -> None:
        """Accept a question. If it cannot be answered, its sink gets the error."""
        try:
            if not answer.session.is_open:
                raise CameraNotOwned(answer.camera_id)
            question = self._model.question(answer.question.text)
            if len(question) > self._max_question_tokens:
                raise InvalidInput(
                    "question.text",
                    f"is {len(question)} tokens long; at most {self._max_question_tokens}",
                )
        except Exception as error:
            self.fail(answer, as_hermes_error(error, _doing(answer)))
            return
        answer.next_input, answer.question_tokens = question, len(question)
        if answer.is_ready(answer.session.report.cursor):
            self._make_ready(answer)
        else:
            self._waiting.append(answer)

    def frames_came(self, session: Session) -> None:
        """The camera's memory took in frames: make ready the questions that waited for them."""
        for answer in list(self._waiting):
            if answer.session is session and answer.is_ready(session.report.cursor):
                self._waiting.remove(answer)
                self._make_ready(answer)

    def _make_ready(self, answer: Answer) -> None:
        answer.ready = self._clock()
        self._ready.append(answer)

    def drop_cancelled(self) -> None:
        """Drop the answers that were cancelled."""
        for answer in self._all():
            if answer.cancelled.is_set():
                self._forget(answer)

    def fail_all(self, error: HermesError, session: Session | None = None) -> None:
        """End all answers with this error, or all answers about one session."""
        for answer in self._all():
            if session in (None, answer.session):
                self.fail(answer, error)

    def fail(self, answer: Answer, error: HermesError) -> None:
        """End one answer with this error, unless it is already over."""
        if not answer.over:
            self._forget(answer)
            answer.sink.failed(error)

    # -- one pass -------------------------------------------------------------

    def step(self) -> None:
        """Run one pass: read as many ready questions as fit, and add a token to each answer."""
        starting: list[Answer] = []
        tokens = 0
        while self._ready:
            tokens += self._ready[0].question_tokens + self._ready[0].session.present_tokens
            if starting and tokens > self._prefill_tokens:
                break
            starting.append(self._ready.popleft())
        began = self._clock()
        self._under_way += [answer for answer in starting if self._begin(answer)]
        self._pass(list(self._under_way))
        if read := sum(answer.tokens > 0 for answer in starting):
            self._read(read, self._clock() - began)

    def _begin(self, answer: Answer) -> bool:
        answer.started = self._clock()
        question = answer.question
        try:
            answer.branch = answer.session.memory.branch(
                answer.question_tokens + question.max_tokens, question.span
            )
            if answer.next_input is not None:
                answer.next_input = answer.branch.opened_by(answer.next_input)
            answer.stream = self._model.text_stream()
            answer.choice = self._passes.choice.begin(
                answer.question.text, answer.question.sampling
            )
        except Exception as error:
            self.fail(answer, as_hermes_error(error, _doing(answer)))
            return False
        return True

    def _pass(self, answers: Sequence[Answer]) -> None:
        """Run one pass. If it fails, run each half alone, so that one bad answer fails alone."""
        if not answers:
            return
        try:
            rows, tokens = self._next(answers)
        except Exception as error:
            if len(answers) == 1:
                self.fail(answers[0], as_hermes_error(error, _doing(answers[0])))
                return
            log.warning("a pass over %d answers failed: %s", len(answers), error)
        else:
            for answer, row, token in zip(answers, rows, tokens, strict=True):
                self._took(answer, row, token)
            return
        cut = len(answers) // 2
        self._pass(answers[:cut])
        self._pass(answers[cut:])

    def _next(self, answers: Sequence[Answer]) -> tuple[list[BranchRow], list[ChosenToken]]:
        inputs: list[Tensor] = []
        rows: list[BranchRow] = []
        choices: list[int] = []
        for answer in answers:
            assert answer.branch is not None
            assert answer.next_input is not None
            assert answer.choice is not None
            choices.append(answer.choice)
            inputs.append(answer.next_input)
            rows.append(answer.branch.row(len(answer.next_input)))
        return rows, self._passes.tokens(inputs, rows, choices)

    def _took(self, answer: Answer, row: BranchRow, token: ChosenToken) -> None:
        """Add one token to an answer, send its text to the sink, and end it if it is complete."""
        try:
            assert answer.branch is not None
            answer.branch.commit(row)
            answer.took_token(self._clock())
            if token.id in self._model.decoding.end_ids:
                self._finish(answer, "stop")
                return
            if text := answer.write(token):
                answer.sink.delta(text)
            if answer.stops.found:
                self._finish(answer, "stop")
            elif answer.tokens >= answer.question.max_tokens:
                self._finish(answer, "length")
            else:
                answer.next_input = self._model.embed([token.id])
        except Exception as error:  # concerns only this answer
            self.fail(answer, as_hermes_error(error, _doing(answer)))

    def _finish(self, answer: Answer, reason: FinishReason) -> None:
        result, rest = answer.result(reason), answer.stops.rest()
        self._forget(answer)
        if rest:
            answer.sink.delta(rest)
        answer.sink.done(result)

    def _forget(self, answer: Answer) -> None:
        answer.over = True
        answer.close()
        if answer.choice is not None:
            self._passes.choice.end(answer.choice)
            answer.choice = None
        for queue in (self._waiting, self._ready, self._under_way):
            if answer in queue:
                queue.remove(answer)
        self._ended(answer)


def _doing(answer: Answer) -> str:
    return f"an answer about {answer.camera_id}"
