"""Branches that are read at once answer as each would alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from hermes.memory import Branch, PackedPass
from hermes.memory.forked_row import ForkedRow
from hermes.memory.side_by_side import FURTHER, SideBySide
from hermes.vlm import VideoMemory
from tests.support import tiny, tiny_qwen

MODELS = ("llava", *tiny_qwen.FAMILIES)
QUESTIONS = ("Who is there?", "Is it day?", "What is happening now?", "What came first?")


def memories(kind: str) -> list[VideoMemory]:
    """Of different lengths."""
    model = tiny.model() if kind == "llava" else tiny_qwen.model(kind)
    made = []
    for number in range(4):
        memory = VideoMemory(model, "sliding-window", budget=400)
        memory.feed(tiny.pictures(2 + 2 * number, seed=number))
        made.append(memory)
    return made


def answer(
    of: Sequence[VideoMemory], texts: Sequence[str], tokens: Sequence[int]
) -> tuple[list[Tensor], list[Branch]]:
    """The logits of so many tokens of each, in passes that all of them share."""
    model = of[0].model
    inputs = [model.question(text) for text in texts]
    branches = [
        memory.branch(len(own) + most) for memory, own, most in zip(of, inputs, tokens, strict=True)
    ]
    inputs = [branch.opened_by(own) for branch, own in zip(branches, inputs, strict=True)]
    seen: list[list[Tensor]] = [[] for _ in of]
    with torch.inference_mode():
        while going := [n for n in range(len(of)) if len(seen[n]) < tokens[n]]:
            rows = [branches[n].row(len(inputs[n])) for n in going]
            hidden = model.forward(torch.cat([inputs[n] for n in going]), PackedPass(rows))
            ends = torch.tensor([row.tokens for row in rows]).cumsum(0) - 1
            logits = model.logits(hidden[ends])
            for n, row, own in zip(going, rows, logits, strict=True):
                branches[n].commit(row)
                seen[n].append(own)
                inputs[n] = model.embed([int(own.argmax())])
    return [torch.stack(own) for own in seen], branches


def alone(of: Sequence[VideoMemory], texts: Sequence[str], tokens: Sequence[int]) -> list[Tensor]:
    found = []
    for memory, text, most in zip(of, texts, tokens, strict=True):
        (logits,), branches = answer([memory], [text], [most])
        branches[0].close()
        found.append(logits)
    return found


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        *(pytest.param(QUESTIONS, kind, id=f"different-{kind}") for kind in MODELS),
        pytest.param(QUESTIONS[:1] * 4, MODELS[0], id=f"same-{MODELS[0]}"),
        *(
            pytest.param(QUESTIONS[:1] * 4, kind, id=f"same-{kind}", marks=pytest.mark.slow)
            for kind in MODELS[1:]
        ),
    ],
)
def test_each_answers_as_it_would_alone(kind: str, texts: Sequence[str]) -> None:
    """Some answers end before others, and all are longer than there is room at first."""
    of, tokens = memories(kind), (3, 9, FURTHER + 20, 9)
    together, branches = answer(of, texts, tokens)
    assert isinstance(branches[2].side_by_side, SideBySide)
    for found, expected in zip(together, alone(of, texts, tokens), strict=True):
        torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-4)
    for branch in branches:
        branch.close()


def test_branches_keep_what_they_wrote() -> None:
    of = memories("llava")[:2]
    _, branches = answer(of, QUESTIONS[:1] * 2, (5, 5))
    for memory, branch in zip(of, branches, strict=True):
        _, (single,) = answer([memory], QUESTIONS[:1], (5,))
        kept = slice(0, branch.length)
        assert single.length == branch.length
        torch.testing.assert_close(
            branch.keys[:, :, kept], single.keys[:, :, kept], atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(
            branch.values[:, :, kept], single.values[:, :, kept], atol=1e-4, rtol=1e-4
        )


def test_texts_that_fork_are_read_at_once_too() -> None:
    of = memories("llava")
    model = of[0].model
    question, choices = model.question("Is it day?"), model.embed([20, 21, 22])
    inputs = torch.cat((question, choices))

    def scored(some: Sequence[VideoMemory]) -> tuple[Tensor, list[Branch]]:
        branches = [memory.branch(len(inputs)) for memory in some]
        rows = [ForkedRow(branch, len(question), (1, 2)) for branch in branches]
        with torch.inference_mode():
            hidden = model.forward(torch.cat([inputs] * len(some)), PackedPass(rows))
        for branch, row in zip(branches, rows, strict=True):
            branch.commit(row)
        return hidden.view(len(some), len(inputs), -1), branches

    together, branches = scored(of)
    assert all(branch.side_by_side is not None for branch in branches)
    assert [branch.length for branch in branches] == [len(question)] * 4
    for memory, found in zip(of, together, strict=True):
        torch.testing.assert_close(found, scored([memory])[0][0], atol=2e-4, rtol=1e-4)


def test_a_new_question_among_answers_under_way() -> None:
    of = memories("llava")
    expected = alone(of[:1], QUESTIONS[:1], (6,))[0]
    model = of[0].model
    question = model.question(QUESTIONS[0])
    branches = [memory.branch(len(question) + 8) for memory in of]
    following = [question] * 4
    found = []
    with torch.inference_mode():
        for step in range(6):
            going = range(3 if step < 2 else 4)  # the last question comes later
            rows = [branches[n].row(len(following[n])) for n in going]
            hidden = model.forward(torch.cat([following[n] for n in going]), PackedPass(rows))
            ends = torch.tensor([row.tokens for row in rows]).cumsum(0) - 1
            logits = model.logits(hidden[ends])
            for n, row in zip(going, rows, strict=True):
                branches[n].commit(row)
                following[n] = model.embed([int(logits[n].argmax())])
            found.append(logits[0])
    torch.testing.assert_close(torch.stack(found), expected, atol=2e-4, rtol=1e-4)
    assert branches[3].side_by_side is branches[0].side_by_side is not None


def test_an_answer_goes_on_alone_and_with_others_again() -> None:
    of = memories("llava")
    expected = alone(of[:1], QUESTIONS[:1], (9,))[0]
    model = of[0].model
    question = model.question(QUESTIONS[0])
    branches = [memory.branch(len(question) + 9) for memory in of]
    following = [question] * 4
    found = []
    with torch.inference_mode():
        for step in range(9):
            going = range(4 if step % 4 < 2 else 1)
            rows = [branches[n].row(len(following[n])) for n in going]
            hidden = model.forward(torch.cat([following[n] for n in going]), PackedPass(rows))
            ends = torch.tensor([row.tokens for row in rows]).cumsum(0) - 1
            logits = model.logits(hidden[ends])
            for n, row in zip(going, rows, strict=True):
                branches[n].commit(row)
                following[n] = model.embed([int(logits[n].argmax())])
            found.append(logits[0])
    torch.testing.assert_close(torch.stack(found), expected, atol=2e-4, rtol=1e-4)


def test_long_memories_are_read_one_after_the_other() -> None:
    model = tiny.model()
    long = VideoMemory(model, "sliding-window", budget=1200)
    long.feed(tiny.pictures(70))
    branches = [long.branch(4), long.branch(4)]
    inputs = model.embed([20])
    with torch.inference_mode():
        model.forward(torch.cat([inputs, inputs]), PackedPass([b.row(1) for b in branches]))
    assert [branch.side_by_side for branch in branches] == [None, None]


def test_a_pass_that_failed_leaves_no_trace() -> None:
    of = memories("llava")
    model = of[0].model
    question = model.question(QUESTIONS[0])
    expected = alone(of[:1], QUESTIONS[:1], (1,))[0]
    branches = [memory.branch(len(question) + 4) for memory in of]
    with torch.inference_mode():
        model.forward(
            torch.cat([question] * 4), PackedPass([b.row(len(question)) for b in branches])
        )
        # It is not committed: the same again, for half of them.
        rows = [branch.row(len(question)) for branch in branches[:2]]
        hidden = model.forward(torch.cat([question] * 2), PackedPass(rows))
    logits = model.logits(hidden[len(question) - 1])
    torch.testing.assert_close(logits, expected[0], atol=2e-4, rtol=1e-4)


def test_a_pass_may_give_way_to_one_over_others_of_the_same_branches() -> None:
    """Both find what they would alone."""
    of, tokens = memories("llava"), 3
    expected = alone(of, QUESTIONS, [tokens] * 4)
    model = of[0].model
    following = [model.question(text) for text in QUESTIONS]
    branches = [memory.branch(len(own) + tokens) for memory, own in zip(of, following, strict=True)]
    found: list[list[Tensor]] = [[] for _ in of]

    def read(numbers: Sequence[int], between: Callable[[], None] | None = None) -> None:
        rows = [branches[n].row(len(following[n])) for n in numbers]
        hidden = model.forward(
            torch.cat([following[n] for n in numbers]), PackedPass(rows, between)
        )
        ends = torch.tensor([row.tokens for row in rows]).cumsum(0) - 1
        for n, row, own in zip(numbers, rows, model.logits(hidden[ends]), strict=True):
            branches[n].commit(row)
            found[n].append(own)
            following[n] = model.embed([int(own.argmax())])

    layers: list[int] = []

    def give_way() -> None:
        layers.append(1)
        if len(layers) == 2:
            read((2, 3))

    with torch.inference_mode():
        read(range(4))
        read(range(4))
        read((0, 1), give_way)
    assert branches[0].side_by_side is branches[2].side_by_side is not None
    for own, logits in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.stack(own), logits, atol=2e-4, rtol=1e-4)


def test_rows_of_different_lengths_of_the_same_branches_share_a_pass() -> None:
    of = memories("llava")
    model = of[0].model
    question = model.question(QUESTIONS[0])
    texts = [model.embed(list(range(20, 20 + tokens))) for tokens in (2, 2, 5, 5)]

    def read(some: Sequence[int]) -> list[Tensor]:
        branches = [of[n].branch(len(question) + 5) for n in some]
        hidden = Tensor()
        with torch.inference_mode():
            for inputs in ([question for _ in some], [texts[n] for n in some]):
                rows = [branch.row(len(own)) for branch, own in zip(branches, inputs, strict=True)]
                hidden = model.forward(torch.cat(inputs), PackedPass(rows))
                for branch, row in zip(branches, rows, strict=True):
                    branch.commit(row)
        return list(hidden.split([len(texts[n]) for n in some]))

    for number, own in enumerate(read(range(4))):
        torch.testing.assert_close(own, read([number])[0], atol=2e-4, rtol=1e-4)
