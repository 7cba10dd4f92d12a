"""Questions as a model's inputs, within the limits of their length."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from torch import Tensor

from hermes.engine.answer import Answer
from hermes.errors import InvalidInput
from hermes.vlm import VideoModel

REMEMBERED = 256
"""Inputs of standing questions that are kept: they are asked again and again."""


class QuestionInputs:
    """Makes the inputs of questions. For the device's thread."""

    def __init__(self, most: int) -> None:
        """`most`: tokens of a question, unless its session says otherwise."""
        self._most = most
        self._standing: OrderedDict[tuple[str, bool], Tensor] = OrderedDict()

    def read(self, answer: Answer) -> Tensor:
        """Inputs of the question after as many of its earlier turns as there is room for.

        The answer is told how many turns had none. Raises `InvalidInput`.
        """
        asked, session = answer.question, answer.session
        model, most = session.memory.model, session.question_tokens or self._most
        question = self._alone(model, answer)
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

    def _alone(self, model: VideoModel, answer: Answer) -> Tensor:
        """Inputs of the question without earlier turns."""
        text, reasons = answer.question.text, answer.reasons
        if not answer.standing:
            return model.question(text, reasoning=reasons)
        known = self._standing
        if (text, reasons) not in known:
            known[text, reasons] = model.question(text, reasoning=reasons)
            if len(known) > REMEMBERED:
                known.popitem(last=False)
        known.move_to_end((text, reasons))
        return known[text, reasons]
