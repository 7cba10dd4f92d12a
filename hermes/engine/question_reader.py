"""Makes the model's inputs of a question and as many of its earlier turns as fit."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from torch import Tensor

from hermes.errors import InvalidInput
from hermes.question import Question, Turn
from hermes.vlm import VideoModel

REMEMBERED = 256
"""Standing questions whose inputs are kept: they are asked again and again."""


class Read(NamedTuple):
    """A question's inputs [n, width], and the newest of its turns, for which there was room."""

    inputs: Tensor
    turns: tuple[Turn, ...]


class QuestionReader:
    """Reads questions, for the device's thread. Many cameras are often asked the same: the last
    question is read once, and so is a standing one.
    """

    def __init__(self, most_tokens: int) -> None:
        self._most_tokens = most_tokens
        self._last: tuple[VideoModel, tuple[object, ...], Read] | None = None
        self._standing: OrderedDict[tuple[object, ...], Read] = OrderedDict()

    def read(
        self,
        model: VideoModel,
        question: Question,
        *,
        reasoning: bool,
        most_tokens: int = 0,
        standing: bool = False,
    ) -> Read:
        """The inputs. `reasoning`: as in `VideoModel.question`. `most_tokens`: 0 is the usual most.
        `standing`: it will be asked again.

        Raises `InvalidInput` if the question alone is too long.
        """
        most = most_tokens or self._most_tokens
        key = (question.text, question.turns, reasoning, most)
        if standing:
            return self._read_standing(model, question, reasoning, most)
        if self._last is not None and self._last[0] is model and self._last[1] == key:
            return self._last[2]
        found = _read(model, question, reasoning, most)
        self._last = (model, key, found)
        return found

    def _read_standing(
        self, model: VideoModel, question: Question, reasoning: bool, most: int
    ) -> Read:
        known, key = self._standing, (id(model), question.text, question.turns, reasoning, most)
        if key not in known:
            known[key] = _read(model, question, reasoning, most)
            if len(known) > REMEMBERED:
                known.popitem(last=False)
        known.move_to_end(key)
        return known[key]


def _read(model: VideoModel, question: Question, reasoning: bool, most: int) -> Read:
    inputs = model.question(question.text, reasoning=reasoning)
    if len(inputs) > most:
        raise InvalidInput("question.text", f"is {len(inputs)} tokens long; at most {most}")
    if not question.turns:
        return Read(inputs, ())
    room = most - len(inputs)
    turns = tuple(model.template.newest_turns(model.tokenizer, question.turns, room))
    inputs = model.question(question.text, turns, reasoning=reasoning)
    while len(inputs) > most:
        turns = turns[1:]
        inputs = model.question(question.text, turns, reasoning=reasoning)
    return Read(inputs, turns)
