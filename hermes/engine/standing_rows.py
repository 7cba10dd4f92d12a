"""The rows of a pass that begins to answer standing questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hermes.engine.answer import Answer
from hermes.engine.open_questions import OpenQuestions
from hermes.engine.pass_rows import JointRow, OwnRow, PassRow
from hermes.engine.ready_questions import can_begin
from hermes.engine.starter import Starter
from hermes.memory import Branch
from hermes.vlm import VideoModel


class StandingRows:
    """Those of one pass. Questions about one camera share a row, as far as that saves anything."""

    def __init__(
        self,
        model: VideoModel,
        starter: Starter,
        open_questions: OpenQuestions,
        reads: Callable[[Answer, int], bool],
    ) -> None:
        """`reads`: has the pass read so many tokens of a question. Returns whether it is still
        open.
        """
        self._model = model
        self._starter = starter
        self._open = open_questions
        self._reads = reads
        self._opened: list[Branch] = []

    def able(self, answers: Sequence[Answer]) -> list[Answer]:
        """Those that can begin. What others took the room of meanwhile waits again."""
        able = []
        for answer in answers:
            if answer.over:  # cancelled meanwhile, or its camera was closed
                continue
            if can_begin(answer):
                able.append(answer)
            else:
                self._open.put_back(answer)
        return able

    def begin(self, answers: Sequence[Answer]) -> list[PassRow]:
        """Begin to answer questions about one camera."""
        joint = [answer for answer in answers if answer.joins]
        on_cpu = self._model.shape.device.type == "cpu"
        if len(joint) < 2 or not (on_cpu or joint[0].session.present_tokens):
            joint = []
        alone = [
            answer
            for answer in answers
            if answer not in joint
            and self.able([answer])
            and self._starter.alone(answer)
            and self._reads(answer, answer.unread_tokens)
        ]
        joint = self.able(joint)
        rows: list[PassRow] = [OwnRow(self._model, answer) for answer in alone]
        if joint and (branch := self._starter.joint_branch(joint)) is not None:
            self._opened.append(branch)
            begun = [answer for answer in joint if self._starter.on(answer, branch)]
            rows.append(JointRow(self._model, branch, begun))
        return rows

    def close(self) -> None:
        """The pass is over: close the branches of shared rows."""
        for branch in self._opened:
            branch.close()
