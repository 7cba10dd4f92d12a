"""Begins answers: on branches of their own, or on one that several questions share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hermes.engine.answer import Answer
from hermes.engine.question_pass import QuestionPass
from hermes.engine.weighing import stamps_of
from hermes.memory import Branch
from hermes.vlm import VideoModel


class Starter:
    """Begins answers, for the device's thread."""

    def __init__(
        self,
        model: VideoModel,
        passes: QuestionPass,
        clock: Callable[[], float],
        failed: Callable[[Answer, Exception], None],
    ) -> None:
        """`failed`: called with each answer that cannot begin, and why."""
        self._model = model
        self._choices = passes.choice
        self._clock = clock
        self._failed = failed

    def alone(self, answer: Answer) -> bool:
        """Begin an answer on a branch of its own. Whether that worked."""
        question = answer.question
        try:
            answer.branch = answer.session.memory.branch(answer.room, question.span)
            if question.evidence:
                answer.stamps = stamps_of(answer.session.memory, answer.branch)
        except Exception as error:
            self._failed(answer, error)
            return False
        return self.on(answer, answer.branch)

    def joint_branch(self, answers: Sequence[Answer]) -> Branch | None:
        """A branch for all of them; None if they failed."""
        try:
            room = sum(answer.pass_tokens for answer in answers)
            return answers[0].session.memory.branch(room)
        except Exception as error:
            for answer in answers:
                self._failed(answer, error)
            return None

    def on(self, answer: Answer, branch: Branch) -> bool:
        """Begin an answer that reads this branch. Whether that worked."""
        question = answer.question
        answer.started = self._clock()
        answer.coverage, answer.span = branch.coverage, branch.span
        try:
            answer.stream = self._model.text_stream(reasoning=answer.reasons)
            if answer.scoring is None:
                answer.choice = self._choices.begin(
                    question.text,
                    question.sampling,
                    question.turns,
                    answer.grammar,
                    answer.session.memory.model,
                )
        except Exception as error:
            self._failed(answer, error)
            return False
        return True
