"""Questions become inputs of the model, each once."""

from __future__ import annotations

import pytest
import torch

from hermes.engine.question_reader import QuestionReader
from hermes.errors import InvalidInput
from hermes.question import Question, Turn
from tests.support import tiny


def test_what_many_cameras_are_asked_is_read_once() -> None:
    model, reader = tiny.model(), QuestionReader(64)
    first = reader.read(model, Question("What now?"), reasoning=True)
    assert reader.read(model, Question("What now?"), reasoning=True) is first
    torch.testing.assert_close(first.inputs, model.question("What now?"))
    other = reader.read(model, Question("What now?", turns=(Turn("a", "b"),)), reasoning=True)
    assert len(other.inputs) > len(first.inputs)
    assert other.turns == (Turn("a", "b"),)


def test_the_oldest_turns_go_first() -> None:
    model, turns = tiny.model(), tuple(Turn(f"What is {n}?", "yes") for n in range(9))
    most = len(model.question("What now?")) + 20
    found = QuestionReader(most).read(model, Question("What now?", turns=turns), reasoning=True)
    assert 0 < len(found.turns) < 9
    assert found.turns == turns[-len(found.turns) :]
    assert len(found.inputs) <= most


def test_a_question_that_is_too_long_is_refused_each_time() -> None:
    reader = QuestionReader(64)
    for _ in range(2):
        with pytest.raises(InvalidInput, match="at most 2"):
            reader.read(tiny.model(), Question("What now?"), reasoning=True, most_tokens=2)
