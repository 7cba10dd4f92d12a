"""The rows of a pass over questions: one for an answer, or one for all about the same camera."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from hermes.engine.answer import Answer
from hermes.engine.giving_way import GivingWay
from hermes.engine.question_pass import QuestionPass, Want
from hermes.memory import Branch, BranchRow, Part, SharedRow
from hermes.vlm import ChosenToken, VideoModel
from hermes.vlm.scoring import Scoring

log = logging.getLogger(__name__)


class Made(NamedTuple):
    """A row as the device reads it. `wants`: what each of its answers wants of it."""

    inputs: Tensor
    row: BranchRow
    wants: list[Want]


class PassRow(Protocol):
    """A row of a pass, and the answers that it is for."""

    answers: Sequence[Answer]

    def make(self, number: int) -> Made:
        """The row, which has this number in its pass. May raise anything."""
        ...

    def halves(self) -> Sequence[PassRow]:
        """The same as two rows, of which one may fail alone."""
        ...

    def was_read(self) -> None:
        """Its pass is done."""
        ...

    def goes_on(self, at: int) -> None:
        """One of its answers, by its place, is not complete yet."""
        ...


class OwnRow:
    """The row of one answer, on the answer's own branch."""

    def __init__(self, model: VideoModel, answer: Answer) -> None:
        self.answers: Sequence[Answer] = (answer,)
        self._model = model
        self._row: BranchRow | None = None

    def make(self, number: int) -> Made:
        """See `PassRow`."""
        (answer,) = self.answers
        branch, own, scoring = answer.branch, answer.next_input, answer.scoring
        assert branch is not None
        if scoring is not None:
            choices = self._model.embed(scoring.ids)
            before = 0 if own is None else len(own)
            inputs = choices if own is None else torch.cat((own, choices))
            self._row = scoring.row(branch, before)
            return Made(inputs, self._row, [Want(number, 0, scoring.wanted(before))])
        assert own is not None
        assert answer.choice is not None
        self._row = branch.row(len(own))
        return Made(own, self._row, [Want(number, self._row.tokens - 1, answer.choice)])

    def halves(self) -> Sequence[PassRow]:
        """It has none."""
        return (self,)

    def was_read(self) -> None:
        """The branch keeps its tokens."""
        (answer,) = self.answers
        if answer.branch is not None and self._row is not None:
            answer.branch.commit(self._row)

    def goes_on(self, at: int) -> None:
        """On the same branch."""


class JointRow:
    """The row of several new questions about one camera: what they all see is read once.

    `branch`: a new one. It belongs to whoever opened it; an answer that goes on gets its own.
    """

    def __init__(self, model: VideoModel, branch: Branch, answers: Sequence[Answer]) -> None:
        self.answers = answers
        self._model = model
        self._branch = branch
        self._row: SharedRow | None = None

    def make(self, number: int) -> Made:
        """See `PassRow`. Of the answers that are not over."""
        self.answers = [answer for answer in self.answers if not answer.over]
        frames = self._branch.opening_features
        shared = 0 if frames is None else len(frames)
        inputs: list[Tensor] = [] if frames is None else [frames]
        scored = [answer.scoring for answer in self.answers]
        choices = iter(self._choices([one for one in scored if one is not None]))
        parts: list[Part] = []
        for answer, scoring in zip(self.answers, scored, strict=True):
            assert answer.asked is not None
            inputs.append(answer.asked)
            forks: tuple[int, ...] = ()
            if scoring is not None:
                forks = scoring.forks
                inputs.append(next(choices))
            parts.append(Part(len(answer.asked), forks))
        self._row = row = SharedRow(self._branch, shared, parts)
        wants: list[Want] = []
        for answer, part, start in zip(self.answers, parts, row.starts, strict=True):
            if answer.scoring is not None:
                wants.append(Want(number, start, answer.scoring.wanted(part.tokens)))
            else:
                assert answer.choice is not None
                wants.append(Want(number, start + part.tokens - 1, answer.choice))
        return Made(torch.cat(inputs), row, wants)

    def _choices(self, scored: Sequence[Scoring]) -> Sequence[Tensor]:
        """The inputs of the choices of each."""
        if not scored:
            return ()
        ids = [scoring.ids for scoring in scored]
        embedded = self._model.embed([id for own in ids for id in own])
        found: Sequence[Tensor] = embedded.split([len(own) for own in ids])
        return found

    def halves(self) -> Sequence[PassRow]:
        """See `PassRow`."""
        cut = len(self.answers) // 2
        parts = (self.answers[:cut], self.answers[cut:]) if cut else (self.answers,)
        return [JointRow(self._model, self._branch, part) for part in parts]

    def was_read(self) -> None:
        """Nothing is kept for the answers that are complete."""

    def goes_on(self, at: int) -> None:
        """It gets a branch of its own, with its question."""
        answer = self.answers[at]
        assert self._row is not None
        answer.branch = self._row.split(at, answer.room)


def run_rows(
    passes: QuestionPass,
    rows: Sequence[PassRow],
    took: Callable[[Answer, ChosenToken | list[float]], None],
    failed: Callable[[Answer, Exception], None],
    between: GivingWay | None = None,
) -> None:
    """Run one pass. If it fails, run each half alone, so that one bad answer fails alone.

    `took` gets what was found for each answer, `failed` why there is nothing. `between`:
    the pass gives way to others.
    """
    rows = [row for row in rows if not all(answer.over for answer in row.answers)]
    if not rows:
        return  # they were cancelled meanwhile
    try:
        made = [row.make(number) for number, row in enumerate(rows)]
        wants = [want for one in made for want in one.wants]
        found = passes.found(
            [one.inputs for one in made], [one.row for one in made], wants, between
        )
    except Exception as error:
        answers = [answer for row in rows for answer in row.answers]
        if len(answers) == 1:
            failed(answers[0], error)
            return
        log.warning("a pass over %d answers failed: %s", len(answers), error)
    else:
        outcomes = iter(found)
        for row in rows:
            row.was_read()
            for at, answer in enumerate(row.answers):
                took(answer, next(outcomes))
                _go_on(row, at, failed)
            if between is not None:
                between.aside()
        return
    cut = len(rows) // 2
    halves = (rows[:cut], rows[cut:]) if cut else [[half] for half in rows[0].halves()]
    for half in halves:
        run_rows(passes, half, took, failed, between)


def _go_on(row: PassRow, at: int, failed: Callable[[Answer, Exception], None]) -> None:
    answer = row.answers[at]
    if answer.over:
        return
    try:
        row.goes_on(at)
    except Exception as error:  # concerns only this answer
        failed(answer, error)
