"""Questions on the device: waiting, ready or under way, all served by one pass."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import chain

from torch import Tensor

from hermes.engine.answer import Answer, AnswerResult, FinishReason
from hermes.engine.crowd import NO_CROWD, AskedLately, Crowd, unread_by_caller
from hermes.engine.evidence import Evidence
from hermes.engine.giving_way import GiveWay, GivingWay
from hermes.engine.ingesting import DevicePace
from hermes.engine.open_questions import OpenQuestions
from hermes.engine.pass_rows import OwnRow, PassRow, run_rows
from hermes.engine.prefill import PassShare, Prefill, fitting
from hermes.engine.question_pass import QuestionPass
from hermes.engine.question_reader import QuestionReader
from hermes.engine.question_room import QuestionRoom
from hermes.engine.remembered import Given, Remembered
from hermes.engine.scheduler import PassSize
from hermes.engine.session import Session
from hermes.engine.share import ASKING_SHARE, Share
from hermes.engine.standing_rows import StandingRows
from hermes.engine.starter import Starter
from hermes.engine.weighing import Weighing, Weighings
from hermes.errors import CameraNotOwned, HermesError, as_hermes_error
from hermes.memory import Device
from hermes.vlm import ChosenToken, VideoModel


class Answers:
    """All open questions of an engine. Only the device's thread touches them.

    A question first waits for frames, until its camera's memory holds what it
    must see; then it waits for the device; then its answer is under way.

    `read` is called after each pass that read questions, with their number, the
    seconds it took, and their number by caller; `watched` after one for standing
    questions. `ended` is called with each answer that is over, for any reason. An answer
    whose evidence is wanted is over once it was weighed.
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
        read: Callable[[int, float, Mapping[str, int]], None],
        watched: Callable[[int, float], None],
        ended: Callable[[Answer], None],
        give_way: GiveWay,
        look_around: Callable[[], None],
        standing_size: PassSize,
        crowd_size: PassSize,
        device: Device,
    ) -> None:
        """`give_way`: called between the layers of a pass over standing questions, which has so
        many tokens as `standing_size` says. `look_around`: runs the commands of other threads.
        `crowd_size`: of a pass that one caller fills, if others ask, too.
        """
        self._model = model
        self._passes = passes
        self._weighings = weighings
        self._remembered = Remembered(clock)
        self._reader = QuestionReader(max_question_tokens)
        # Passes on a GPU are recorded up to a size: a larger one would take longer to start.
        self._room = QuestionRoom(prefill_tokens, grows=model.shape.device.type == "cpu")
        self._prefill = Prefill(self._room)
        self._clock = clock
        self._max_wait_s = max_wait_s
        self._read = read
        self._watched = watched
        self._ended = ended
        self._give_way = give_way
        self._look_around = look_around
        # Passes on a GPU are recorded as a whole, and short.
        self._in_layers = model.shape.device.type == "cpu"
        self._lately = AskedLately(clock)
        self._asking = Share(ASKING_SHARE, clock)
        self._crowd_size = crowd_size
        self._let_others = False  # others than a crowd had the last pass
        self._standing_size = standing_size
        self._pace = DevicePace(device)
        self._cancelled = threading.Event()  # one of the answers was
        self._reading: set[Answer] = set()  # those in passes that have given way
        self._open = OpenQuestions()
        self._starter = Starter(model, passes, clock, self._failed)

    def asked(self, *, frames_wait: bool = False) -> tuple[int, int]:
        """Questions that wait only for the device, for their first pass or next slice; and answers
        that have begun. Standing ones do not count.

        If frames wait, and questions have had their share of the device, those of callers that
        have many open do not count, either.
        """
        return self._open.asked(by_few=frames_wait and not self._asking.left)

    @property
    def standing(self) -> int:
        """Standing questions that wait for the device, or whose answers have begun."""
        return self._open.standing_ones

    # -- starting and ending -------------------------------------------------

    def accept(self, answer: Answer) -> None:
        """Accept a question. If it cannot be answered, its sink gets the error."""
        answer.on_cancel = self._cancelled.set
        self._lately.asked(answer.caller)
        if answer.cancelled.is_set():
            self._cancelled.set()
        try:
            if not answer.session.is_open:
                raise CameraNotOwned(answer.camera_id)
            answer.asked = self._read_question(answer)
        except Exception as error:
            self._failed(answer, error)
            return
        answer.question_tokens = answer.unread_tokens = len(answer.asked)
        if answer.is_ready(answer.session.report.cursor):
            self._open.make_ready(answer, self._clock())
        else:
            self._open.waiting.append(answer)

    def _read_question(self, answer: Answer) -> Tensor:
        """Inputs of the question after as many of its earlier turns as there is room for."""
        asked, session = answer.question, answer.session
        found = self._reader.read(
            session.memory.model,
            asked,
            reasoning=answer.reasons,
            most_tokens=session.question_tokens,
            standing=answer.standing,
        )
        if asked.turns:
            answer.dropped_turns = len(asked.turns) - len(found.turns)
            answer.question = replace(asked, turns=found.turns)
        return found.inputs

    def frames_came(self, session: Session) -> None:
        """The camera's memory took in frames: make ready the questions that waited for them."""
        self._open.frames_came(session, self._clock())

    def drop_cancelled(self) -> None:
        """Drop the answers that were cancelled, and refuse questions that waited too long."""
        self._weighings.drop_cancelled()
        for answer, error in self._open.refused(self._clock() - self._max_wait_s):
            self.fail(answer, error)
        if not self._cancelled.is_set():
            return
        self._cancelled.clear()
        for answer in list(self._open):
            if answer.cancelled.is_set():
                self._forget(answer)

    def fail_all(self, error: HermesError, session: Session | None = None) -> None:
        """End all answers with this error, or all answers about one session. Those of which only
        the evidence is missing are done without it.
        """
        self._weighings.fail_all(error, session)
        if session is not None:
            self._remembered.forget(session)
        for answer in list(self._open):
            if session in (None, answer.session):
                self.fail(answer, error)

    def fail(self, answer: Answer, error: HermesError) -> None:
        """End one answer with this error, unless it is already over."""
        if not answer.over:
            self._forget(answer)
            answer.sink.failed(error)

    # -- one pass -------------------------------------------------------------

    def step(self) -> None:
        """Run one pass: read questions as `Prefill` says, and add a token to each answer.

        Where one caller fills the pass, others go before it (`_let_first`), and it is short.
        """
        began = self._clock()
        self._step()
        self._asking.took(0, self._clock() - began)

    def _step(self) -> None:
        under_way = [answer for answer in self._open.under_way if answer not in self._reading]
        crowd = Crowd([*under_way, *self._open.ready]) if self._in_layers else NO_CROWD
        if crowd and not self._let_others and self._let_first(crowd):
            self._let_others = True  # the next pass is the crowd's, however many others ask
            return
        self._let_others = False
        if not crowd or not self._lately.several:
            self._answer(self._share(under_way), crowd)
            return
        size = self._crowd_size
        share = self._share(self._open.in_turn(under_way, size.tokens), size.tokens)
        between = self._answer(share, crowd)
        self._open.had_their_turn(share.going_on)
        tokens = share.tokens + len(share.going_on)
        size.took(tokens, between.slices, between.seconds)

    def _share(self, under_way: Sequence[Answer], most: int | None = None) -> PassShare:
        return self._prefill.share(under_way, self._open.ready, self._starter.alone, most=most)

    def _answer(self, share: PassShare, crowd: Crowd) -> GivingWay:
        """Run a pass. It gives way to others than the crowd, between its layers."""
        between = GivingWay(
            self._model.shape.layers, lambda done, given: self._let_first(crowd), self._clock
        )
        self._open.under_way += share.starting
        reading = [answer for answer, tokens in share.reads if self._reads(answer, tokens)]
        taking_part = [*share.going_on, *reading]
        asked = [answer for answer in taking_part if not answer.standing]
        unread = unread_by_caller(asked)
        before, self._reading = self._reading, {*self._reading, *taking_part}
        try:
            rows = [OwnRow(self._model, answer) for answer in taking_part]
            self._pass(rows, between if crowd else None)
        finally:
            self._reading = before
        seconds = between.seconds
        if share.reads:
            self._room.took(share.tokens, seconds)
        if read := unread - unread_by_caller(asked):
            self._read(read.total(), seconds, read)
        return between

    def _let_first(self, crowd: Crowd) -> bool:
        """Read the questions of others than the crowd, in a pass of their own. Whether any were."""
        self._look_around()
        if not any(map(crowd.lets_first, self._open.ready)):
            return False
        ready, alone = self._open.ready, self._starter.alone
        share = self._prefill.share((), ready, alone, may=crowd.lets_first)
        if share.starting:
            crowd.went(share.starting)
            self._answer(share, NO_CROWD)
        return bool(share.starting)

    def _reads(self, answer: Answer, tokens: int) -> bool:
        """Have the next pass read so much of a question. Returns whether it is still open."""
        try:
            if not answer.over:
                answer.read(tokens)
        except Exception as error:
            self._failed(answer, error)
        return not answer.over

    def watch(self) -> None:
        """The same for standing questions alone: those about one camera are read together, after
        what all of them see. This pass gives way to others.
        """
        under_way = [answer for answer in self._open.under_way if answer not in self._reading]
        standing = [answer for answer in under_way if answer.standing]
        size = self._standing_size
        going_on, tokens = fitting(standing, size.tokens)
        starting = self._open.standing.take(size.tokens - tokens, least=0 if tokens else 1)
        between = GivingWay(self._model.shape.layers, self._give_way, self._clock, self._pace.tick)
        rows: list[PassRow] = [OwnRow(self._model, answer) for answer in going_on]
        begun = list(chain.from_iterable(starting))
        self._reading = {*going_on, *begun}
        self._open.under_way += begun
        standing_rows = StandingRows(self._model, self._starter, self._open, self._reads)
        count = 0
        try:
            for answers in starting:
                if not (able := standing_rows.able(answers)):
                    continue
                tokens += able[0].session.present_tokens
                tokens += sum(answer.pass_tokens for answer in able)
                begun_rows = standing_rows.begin(able)
                count += sum(len(row.answers) for row in begun_rows)
                rows += begun_rows
                between.aside()
            self._pass(rows, between)
        finally:
            self._reading = set()
            self._pace.forget()
            standing_rows.close()
        seconds = between.seconds
        size.took(tokens, between.slices, seconds)
        self._watched(count, seconds)

    def _pass(self, rows: Sequence[PassRow], between: GivingWay | None = None) -> None:
        run_rows(self._passes, rows, self._took, self._failed, between)

    def _failed(self, answer: Answer, error: Exception) -> None:
        self.fail(answer, as_hermes_error(error, f"an answer about {answer.camera_id}"))

    def _took(self, answer: Answer, outcome: ChosenToken | list[float]) -> None:
        """Add what a pass found to an answer, and end it if it is complete."""
        if answer.over:  # the pass gave way, and it ended meanwhile
            return
        answer.next_input = None  # of a text, the token that is written next
        if answer.unread_tokens:  # it was a slice of its question, which goes on
            return
        try:
            answer.unread = max(0, answer.unread - 1)
            if isinstance(outcome, ChosenToken):
                self._took_token(answer, outcome)
                return
            if (text := answer.took_scores(self._clock(), outcome)) is not None:
                answer.sink.delta(text)
                self._finish(answer, "stop")
        except Exception as error:  # concerns only this answer
            self._failed(answer, error)

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
                self.fail(answer, answer.cut())
            else:
                self._finish(answer, "length")

    def _finish(self, answer: Answer, reason: FinishReason) -> None:
        result, rest = answer.result(reason), answer.stops.rest()
        assert answer.asked is not None
        left_open = None if answer.grammar is None else tuple(answer.grammar.left_open)
        given = Given(
            answer.session, answer.asked, answer.question.span, tuple(answer.ids), left_open
        )
        weighed = answer.question.evidence > 0
        if weighed or not answer.standing:  # of standing ones, there are too many to keep
            result = replace(result, answer_id=self._remembered.add(given))
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
        self._open.under_way.remove(answer)
        self._open.weighed.append(answer)
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
        self._open.remove(answer)
        self._ended(answer)
