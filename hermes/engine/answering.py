"""Questions on the device: waiting, ready or under way, all served by one pass."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

import torch
from torch import Tensor

from hermes.engine.answer import Answer, AnswerResult, FinishReason
from hermes.engine.evidence import Evidence
from hermes.engine.giving_way import GiveWay, GivingWay
from hermes.engine.question_pass import QuestionPass
from hermes.engine.ready_questions import ReadyQuestions
from hermes.engine.remembered import Given, Remembered
from hermes.engine.session import Session
from hermes.engine.weighing import Weighing, Weighings, stamps_of
from hermes.errors import AnswerCut, CameraNotOwned, HermesError, InvalidInput, as_hermes_error
from hermes.memory import BranchRow
from hermes.vlm import Between, ChosenToken, VideoModel
from hermes.vlm.scoring import Wanted

log = logging.getLogger(__name__)


class Answers:
    """All open questions of an engine. Only the device's thread touches them.

    A question first waits for frames, until its camera's memory holds what it
    must see; then it waits for the device; then its answer is under way.

    `read` is called after each pass that read questions, with their number and
    the seconds it took; `watched` after one for standing questions. `ended` is
    called with each answer that is over, for any reason. An answer whose evidence is
    wanted is over once it was weighed.
    """

    def __init__(
        self,
        model: VideoModel,
        passes: QuestionPass,
        weighings: Weighings,
        *,
        max_question_tokens: int,
        prefill_tokens: int,
        max_wait_s: float,
        clock: Callable[[], float],
        read: Callable[[int, float], None],
        watched: Callable[[int, float], None],
        ended: Callable[[Answer], None],
        give_way: GiveWay,
    ) -> None:
        """`give_way`: called between the layers of a pass over standing questions."""
        self._model = model
        self._passes = passes
        self._weighings = weighings
        self._remembered = Remembered(clock)
        self._max_question_tokens = max_question_tokens
        self._prefill_tokens = prefill_tokens
        self._clock = clock
        self._read = read
        self._watched = watched
        self._ended = ended
        self._give_way = give_way
        self._reading: list[Answer] = []  # standing ones, in the pass that gives way
        self._waiting: list[Answer] = []  # for frames
        self._ready = ReadyQuestions(prefill_tokens, max_wait_s, clock)
        self._standing = ReadyQuestions(prefill_tokens, max_wait_s, clock)  # standing ones
        self._under_way: list[Answer] = []
        self._weighed: list[Answer] = []  # complete, but for their evidence

    @property
    def ready(self) -> int:
        """Questions that wait only for the device."""
        return self._ready.can_begin

    @property
    def standing(self) -> int:
        """Standing questions that wait for the device, or whose answers have begun."""
        return self._standing.can_begin + sum(answer.standing for answer in self._under_way)

    @property
    def under_way(self) -> int:
        """Answers that have begun, but for those to standing questions."""
        return sum(not answer.standing for answer in self._under_way)

    def _all(self) -> list[Answer]:
        return [
            *self._waiting,
            *self._ready,
            *self._standing,
            *self._under_way,
            *self._weighed,
        ]

    # -- starting and ending -------------------------------------------------

    def accept(self, answer: Answer) -> None:
        """Accept a question. If it cannot be answered, its sink gets the error."""
        try:
            if not answer.session.is_open:
                raise CameraNotOwned(answer.camera_id)
            question = self._read_question(answer)
        except Exception as error:
            self.fail(answer, as_hermes_error(error, _doing(answer)))
            return
        answer.next_input = answer.asked = question
        answer.question_tokens = len(question)
        if answer.is_ready(answer.session.report.cursor):
            self._make_ready(answer)
        else:
            self._waiting.append(answer)

    def _read_question(self, answer: Answer) -> Tensor:
        """Inputs of the question after as many of its earlier turns as there is room for."""
        asked, session = answer.question, answer.session
        model, most = session.memory.model, session.question_tokens or self._max_question_tokens
        question = model.question(asked.text, reasoning=answer.reasons)
        if len(question) > most:
            raise InvalidInput("question.text", f"is {len(question)} tokens long; at most {most}")
        if not asked.turns:
            return question
        room = most - len(question)
        turns = model.template.newest_turns(model.tokenizer, asked.turns, room)
        question = model.question(asked.text, turns, reasoning=answer.reasons)
        while len(question) > most:
            turns = turns[1:]
            question = model.question(asked.text, turns, reasoning=answer.reasons)
        answer.dropped_turns = len(asked.turns) - len(turns)
        answer.question = replace(asked, turns=turns)
        return question

    def frames_came(self, session: Session) -> None:
        """The camera's memory took in frames: make ready the questions that waited for them."""
        for answer in list(self._waiting):
            if answer.session is session and answer.is_ready(session.report.cursor):
                self._waiting.remove(answer)
                self._make_ready(answer)

    def _make_ready(self, answer: Answer) -> None:
        (self._standing if answer.standing else self._ready).append(answer)

    def drop_cancelled(self) -> None:
        """Drop the answers that were cancelled, and refuse questions that waited too long."""
        self._weighings.drop_cancelled()
        for answer in self._all():
            if answer.cancelled.is_set():
                self._forget(answer)
        for queue in (self._ready, self._standing):
            for answer, error in queue.refused():
                self.fail(answer, error)

    def fail_all(self, error: HermesError, session: Session | None = None) -> None:
        """End all answers with this error, or all answers about one session. Those of which only
        the evidence is missing are done without it.
        """
        self._weighings.fail_all(error, session)
        if session is not None:
            self._remembered.forget(session)
        for answer in self._all():
            if session in (None, answer.session):
                self.fail(answer, error)

    def fail(self, answer: Answer, error: HermesError) -> None:
        """End one answer with this error, unless it is already over."""
        if not answer.over:
            self._forget(answer)
            answer.sink.failed(error)

    # -- one pass -------------------------------------------------------------

    def step(self, *, standing: bool = False) -> None:
        """Run one pass: read as many ready questions as fit, and add a token to each answer.

        Choices that do not fit wait for the next pass. `standing`: for standing questions alone;
        this pass gives way to others.
        """
        ready = self._standing if standing else self._ready
        taking_part, tokens = self._going_on(standing=standing)
        began, starting = self._clock(), 0
        begun: list[Answer] = []
        for answer in ready.take(tokens):
            starting += 1
            if self._begin(answer):
                begun.append(answer)
        self._under_way += begun
        taking_part += begun
        if standing:
            between = GivingWay(self._model.shape.layers, self._give_way, self._clock)
            self._reading = taking_part
            try:
                self._pass(taking_part, between)
            finally:
                self._reading = []
            self._watched(starting, between.seconds)
            return
        asked = [answer for answer in taking_part if not answer.standing]
        unread = sum(answer.unread for answer in asked)
        self._pass(taking_part)
        if read := unread - sum(answer.unread for answer in asked):
            self._read(read, self._clock() - began)

    def _going_on(self, *, standing: bool) -> tuple[list[Answer], int]:
        """The answers under way that take part in the next pass, and how many tokens of choices
        it reads for them.
        """
        taking_part: list[Answer] = []
        tokens = 0
        for answer in self._under_way:
            if answer in self._reading or (standing and not answer.standing):
                continue
            if answer.pass_tokens and tokens and tokens + answer.pass_tokens > self._prefill_tokens:
                continue
            tokens += answer.pass_tokens
            taking_part.append(answer)
        return taking_part, tokens

    def _begin(self, answer: Answer) -> bool:
        answer.started = self._clock()
        question = answer.question
        try:
            answer.branch = answer.session.memory.branch(answer.room, question.span)
            if answer.next_input is not None:
                answer.next_input = answer.branch.opened_by(answer.next_input)
            if question.evidence:
                answer.stamps = stamps_of(answer.session.memory, answer.branch)
            answer.stream = self._model.text_stream(reasoning=answer.reasons)
            if answer.scoring is None:
                answer.choice = self._passes.choice.begin(
                    question.text,
                    question.sampling,
                    question.turns,
                    answer.grammar,
                    answer.session.memory.model,
                )
        except Exception as error:
            self.fail(answer, as_hermes_error(error, _doing(answer)))
            return False
        return True

    def _pass(self, answers: Sequence[Answer], between: Between | None = None) -> None:
        """Run one pass. If it fails, run each half alone, so that one bad answer fails alone."""
        if not answers:
            return
        try:
            rows, outcomes = self._next(answers, between)
        except Exception as error:
            if len(answers) == 1:
                self.fail(answers[0], as_hermes_error(error, _doing(answers[0])))
                return
            log.warning("a pass over %d answers failed: %s", len(answers), error)
        else:
            for answer, row, outcome in zip(answers, rows, outcomes, strict=True):
                self._took(answer, row, outcome)
            return
        cut = len(answers) // 2
        self._pass(answers[:cut], between)
        self._pass(answers[cut:], between)

    def _next(
        self, answers: Sequence[Answer], between: Between | None
    ) -> tuple[list[BranchRow], list[ChosenToken | list[float]]]:
        inputs: list[Tensor] = []
        rows: list[BranchRow] = []
        wants: list[int | Wanted] = []
        for answer in answers:
            branch, own, scoring = answer.branch, answer.next_input, answer.scoring
            assert branch is not None
            if scoring is not None:
                choices = self._model.embed(scoring.ids)
                before = 0 if own is None else len(own)
                inputs.append(choices if own is None else torch.cat((own, choices)))
                rows.append(scoring.row(branch, before))
                wants.append(scoring.wanted(before))
                continue
            assert own is not None
            assert answer.choice is not None
            wants.append(answer.choice)
            inputs.append(own)
            rows.append(branch.row(len(own)))
        return rows, self._passes.outcomes(inputs, rows, wants, between)

    def _took(self, answer: Answer, row: BranchRow, outcome: ChosenToken | list[float]) -> None:
        """Add what a pass found to an answer, and end it if it is complete."""
        if answer.over:  # the pass gave way, and it ended meanwhile
            return
        try:
            assert answer.branch is not None
            answer.branch.commit(row)
            answer.unread = max(0, answer.unread - 1)
            if isinstance(outcome, ChosenToken):
                self._took_token(answer, outcome)
                return
            answer.next_input = None
            if (text := answer.took_scores(self._clock(), outcome)) is not None:
                answer.sink.delta(text)
                self._finish(answer, "stop")
        except Exception as error:  # concerns only this answer
            self.fail(answer, as_hermes_error(error, _doing(answer)))

    def _took_token(self, answer: Answer, token: ChosenToken) -> None:
        """Add one token to an answer, send its text to the sink, and end it if it is complete."""
        answer.took_token(self._clock())
        answer.ids.append(token.id)
        grammar = answer.grammar
        if grammar is not None and grammar.failure is not None:
            self.fail(answer, grammar.failure)
            return
        if token.id in self._model.decoding.end_ids:
            self._finish(answer, "stop")
            return
        if text := answer.write(token):
            answer.sink.delta(text)
        if answer.stops.found or (grammar is not None and grammar.over):
            self._finish(answer, "stop")
        elif answer.tokens >= answer.question.max_tokens:
            if grammar is not None and not grammar.complete:
                self.fail(answer, _cut(answer))
            else:
                self._finish(answer, "length")
        else:
            answer.next_input = self._model.embed([token.id])

    def _finish(self, answer: Answer, reason: FinishReason) -> None:
        result, rest = answer.result(reason), answer.stops.rest()
        assert answer.asked is not None
        given = Given(answer.session, answer.asked, answer.question.span, tuple(answer.ids))
        result = replace(result, answer_id=self._remembered.add(given))
        weighed = answer.question.evidence > 0
        if weighed:
            self._weigh(answer, given, result)
        else:
            self._forget(answer)
        if rest:
            answer.sink.delta(rest)
        if not weighed:
            answer.sink.done(result)

    # -- evidence --------------------------------------------------------------

    def _weigh(self, answer: Answer, given: Given, result: AnswerResult) -> None:
        """Weigh an answer on its own branch. It is done after that."""
        assert answer.branch is not None
        weighing = Weighing(
            given,
            answer.branch,
            answer.question.evidence,
            answer.stamps,
            done=lambda evidence: self._complete(answer, replace(result, evidence=evidence)),
            failed=lambda error: self._complete(answer, result),
            cancelled=answer.cancelled,
        )
        answer.branch = None  # the weighing closes it
        self._under_way.remove(answer)
        self._weighed.append(answer)
        self._weighings.add(weighing)

    def _complete(self, answer: Answer, result: AnswerResult) -> None:
        self._forget(answer)
        answer.sink.done(result)

    def find_evidence(
        self, session: Session, answer_id: str, frames: int, future: Future[Evidence]
    ) -> None:
        """Weigh an answer that was given, on the memory as it is now. Raises `AnswerNotFound`."""
        given, memory = self._remembered.find(session, answer_id), session.memory
        branch = memory.branch(len(given.question) + len(given.answer), given.span)
        self._weighings.add(Weighing.for_future(given, branch, frames, memory, future))

    def _forget(self, answer: Answer) -> None:
        answer.over = True
        answer.close()
        if answer.choice is not None:
            self._passes.choice.end(answer.choice)
            answer.choice = None
        queues = (self._waiting, self._ready, self._standing, self._under_way, self._weighed)
        for queue in queues:
            if answer in queue:
                queue.remove(answer)
        self._ended(answer)


def _doing(answer: Answer) -> str:
    return f"an answer about {answer.camera_id}"


def _cut(answer: Answer) -> AnswerCut:
    return AnswerCut(
        f"the answer reached its limit of {answer.question.max_tokens} tokens before it was"
        " complete; allow more, or ask for less"
    )
