"""Answers of a form: what a schema costs a token, and choices scored together."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.blind import Blind
from benchmarks.table import Row, least
from hermes.demo import checkpoint
from hermes.demo.training.precision import fast_dtype
from hermes.errors import AnswerCut
from hermes.question import JsonSchema
from hermes.vlm import VideoMemory, load
from hermes.vlm.shapes import random_model

SHAPE = "llava-onevision-0.5b"
FRAMES = 6
TOKENS = {"demo model": 32, SHAPE: 8}
QUESTION = "What is happening now?"
TEXT = JsonSchema(json.dumps({"type": "string", "minLength": 4000, "maxLength": 8000}))
RECORDS = JsonSchema(
    json.dumps(
        {
            "type": "array",
            "minItems": 100,
            "items": {
                "type": "object",
                "properties": {
                    "colour": {"enum": ["red", "green", "blue", "white"]},
                    "count": {"type": "integer", "minimum": 0, "maximum": 99},
                    "moving": {"type": "boolean"},
                },
                "required": ["colour", "count", "moving"],
                "additionalProperties": False,
            },
        }
    )
)
COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
SHAPES = ("circle", "square", "triangle", "star")


def run(rounds: int) -> list[Row]:
    """The rows of this module, in seconds of CPU."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        demo = _memory(load(checkpoint.build(Path(folder) / "demo")))
    large = _memory(Blind(random_model(SHAPE, dtype=fast_dtype())))
    rows = [*_tokens(demo, "demo model", rounds), *_tokens(large, SHAPE, max(2, rounds // 2))]
    return [*rows, _choices(demo, rounds)]


def _memory(model: Any) -> VideoMemory:
    memory = VideoMemory(model, "sliding-window", budget=4 * FRAMES * model.layout.tokens)
    memory.feed(torch.zeros((FRAMES, 3, *model.frame_size), dtype=torch.uint8))
    return memory


def _tokens(memory: VideoMemory, name: str, rounds: int) -> list[Row]:
    """A token of an answer that goes on beyond what is measured of it."""
    count = TOKENS[name]

    def answer(form: JsonSchema | None) -> None:
        with contextlib.suppress(AnswerCut):
            for _ in memory.answer(QUESTION, count, form=form):
                pass

    free, text, records = least(
        [lambda: answer(None), lambda: answer(TEXT), lambda: answer(RECORDS)], rounds
    )
    return [
        Row(f"a token of {what}, {name}", took / count, "of free text", free / count)
        for what, took in (("a text in JSON", text), ("records in JSON", records))
    ]


def _choices(memory: VideoMemory, rounds: int) -> Row:
    texts = [f"a {colour} {shape}" for colour in COLOURS for shape in SHAPES]

    def one_by_one() -> None:
        for text in texts:
            memory.choose(QUESTION, [text, "no"])

    together, alone = least([lambda: memory.choose(QUESTION, texts), one_by_one], rounds)
    return Row(f"{len(texts)} choices in one pass, demo model", together, "each in its own", alone)
