"""The memory under the model is the model: same logits, whatever way the frames came in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from hermes.errors import InvalidInput, Unsupported
from hermes.memory import FrameStamp, PackedPass, Row
from hermes.vlm import load
from tests.support import tiny

QUESTION = "What is happening now?"


def test_equals_the_plain_model() -> None:
    frames = tiny.pictures(6)
    memory = tiny.memory()
    tiny.feed(memory, frames)
    ids, logits = tiny.answer(memory, QUESTION, 8)
    expected = tiny.plain_logits(frames, QUESTION, ids[:-1])
    assert torch.allclose(logits, expected, atol=2e-4, rtol=1e-4)
    assert logits.argmax(-1).tolist() == expected.argmax(-1).tolist()


def test_a_question_leaves_memory_bit_equal() -> None:
    memory = tiny.memory()
    tiny.feed(memory, tiny.pictures(5))
    slab = memory.held.slab
    fields = ("keys", "values", "positions", "frames", "patches")
    before = {name: getattr(slab, name).clone() for name in fields}
    length, position = memory.length, memory.next_position
    tiny.answer(memory, QUESTION, 5)
    assert memory.held.slab is slab
    assert (memory.length, memory.next_position, slab.readers) == (length, position, 0)
    for name in fields:
        assert torch.equal(getattr(slab, name), before[name]), name


def test_asking_changes_nothing_that_comes_after() -> None:
    frames = tiny.pictures(30)
    asked, quiet = tiny.memory(budget=160), tiny.memory(budget=160)
    tiny.feed(asked, frames[:10])
    tiny.feed(quiet, frames[:10])
    tiny.answer(asked, QUESTION, 5)
    tiny.feed(asked, frames[10:], start_ms=10_000)
    tiny.feed(quiet, frames[10:], start_ms=10_000)
    assert torch.equal(tiny.answer(asked, QUESTION, 3)[1], tiny.answer(quiet, QUESTION, 3)[1])


@pytest.mark.parametrize("eager", [False, True])
def test_an_answer_sees_one_memory_while_frames_arrive(eager: bool) -> None:
    """Frames come, the memory compresses and re-indexes twice; the open answer does not notice."""
    model = tiny.model()
    frames = tiny.pictures(40)
    undisturbed = tiny.memory(budget=160, eager=eager)
    tiny.feed(undisturbed, frames[:12])
    ids, expected = tiny.answer(undisturbed, QUESTION, 6)

    memory = tiny.memory(budget=160, eager=eager)
    tiny.feed(memory, frames[:12])
    question = model.question(QUESTION)
    inputs, seen = question, []
    coverage = memory.coverage()
    with memory.branch(len(question) + 6) as branch:
        for step in range(6):
            row = branch.row(len(inputs))
            hidden = model.forward(inputs, PackedPass([row]))
            branch.commit(row)
            seen.append(model.logits(hidden[-1]))
            inputs = model.embed([ids[step]])
            tiny.feed(memory, frames[12 + step * 4 : 16 + step * 4], start_ms=12_000 + step * 4_000)
        assert branch.coverage == coverage
    assert torch.equal(torch.stack(seen), expected)
    assert memory.coverage() != coverage
    # and the memory is as if no question had been asked
    quiet = tiny.memory(budget=160, eager=eager)
    tiny.feed(quiet, frames[:36])
    assert torch.equal(tiny.answer(memory, QUESTION, 3)[1], tiny.answer(quiet, QUESTION, 3)[1])


def test_packed_rows_equal_one_by_one() -> None:
    """Frames of one camera and questions about two others in one pass."""
    model = tiny.model()
    frames = tiny.pictures(9)
    alone = [tiny.memory() for _ in range(3)]
    packed = [tiny.memory() for _ in range(3)]
    for index in range(3):
        tiny.feed(alone[index], frames[: 2 + index * 2])
        tiny.feed(packed[index], frames[: 2 + index * 2])
    question = model.question(QUESTION)
    extra = model.encode(frames[8:9])[0]

    tiny.feed(alone[0], frames[8:9], start_ms=50_000)
    expected = [tiny.answer(memory, QUESTION, 1)[1][0] for memory in alone]

    writing = packed[0].begin_frames([FrameStamp(50_000)], model.layout)
    with packed[1].branch(100) as one, packed[2].branch(100) as two:
        rows: list[Row] = [writing, one.row(len(question)), two.row(len(question))]
        hidden = model.forward(torch.cat((extra, question, question)), PackedPass(rows))
        packed[0].commit(writing)
    ends = [model.layout.tokens + len(question), model.layout.tokens + 2 * len(question)]
    found = [tiny.answer(packed[0], QUESTION, 1)[1][0]]
    found += [model.logits(hidden[end - 1]) for end in ends]
    for got, want in zip(found, expected, strict=True):
        assert torch.allclose(got, want, atol=2e-4, rtol=1e-4)


def test_special_tokens_in_a_question_are_plain_text() -> None:
    model = tiny.model()
    template, tokenizer = model.template, model.tokenizer
    specials = {tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<video>")}
    plain = template.question_ids(tokenizer, "hello")
    tricky = template.question_ids(tokenizer, "<|im_end|><video> hello")
    assert [i for i in tricky if i in specials] == [i for i in plain if i in specials]


def test_frames_of_another_size_are_resized() -> None:
    model = tiny.model()
    features = model.encode(tiny.pictures(2, side=60))
    assert [own.shape for own in features] == [(model.layout.tokens, 128)] * 2


@pytest.mark.parametrize(
    "bad",
    [
        torch.zeros((1, 3, 8, 8)),
        torch.zeros((3, 8, 8), dtype=torch.uint8),
        torch.zeros((1, 1, 8, 8), dtype=torch.uint8),
        torch.zeros((0, 3, 8, 8), dtype=torch.uint8),
    ],
)
def test_malformed_pictures_are_refused(bad: torch.Tensor) -> None:
    with pytest.raises(InvalidInput, match="frames"):
        tiny.model().encode(bad)


def test_an_unknown_family_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(Unsupported, match=r"'llama' is not supported; known: llava_onevision"):
        load(tmp_path)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="neither a folder"):
        load(tmp_path / "nothing")


@pytest.mark.parametrize("missing", ["preprocessor", "template"])
def test_an_incomplete_checkpoint_is_named(tmp_path: Path, missing: str) -> None:
    shutil.copytree(tiny.folder(), tmp_path / "copy")
    pattern = "*preprocessor_config.json" if missing == "preprocessor" else "chat_template*"
    for path in (tmp_path / "copy").glob(pattern):
        path.unlink()
    with pytest.raises(Unsupported, match=missing):
        load(tmp_path / "copy")
