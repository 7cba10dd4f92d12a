"""What a question costs that is about a span, or whose evidence is wanted. The 0.5B shape.

All times are CPU time of one thread.
"""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.blind import Blind
from benchmarks.memory import QUESTION
from benchmarks.table import Row, least
from hermes.cpus import usable_cpus
from hermes.demo.training.precision import fast_dtype
from hermes.engine.hiding import Hiding
from hermes.memory import PackedPass
from hermes.question import Span
from hermes.vlm import VideoMemory
from hermes.vlm.shapes import random_model
from hermes.vlm.weighing import logprobs_without

SHAPE = "llava-onevision-0.5b"
BUDGET = 4000
SHARES = (0.1, 0.5, 1.0)
ANSWER_TOKENS = 16
NAMED = 3


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    model: Any = Blind(random_model(SHAPE, dtype=fast_dtype()))
    memory = VideoMemory(model, "sliding-window", budget=BUDGET)
    frames = BUDGET // model.layout.tokens
    torch.set_num_threads(usable_cpus())
    memory.feed(torch.zeros((frames, 3, 1, 1), dtype=torch.uint8))
    torch.set_num_threads(1)
    dtype = str(model.shape.dtype).removeprefix("torch.")
    with torch.inference_mode():
        rows = [_opened(memory, share, frames, dtype, rounds) for share in SHARES]
        return [*rows, _weighed(memory, dtype, max(1, rounds // 2))]


def _opened(memory: VideoMemory, share: float, frames: int, dtype: str, rounds: int) -> Row:
    """Opening a branch: the copy of what is selected, against reading a question."""
    span = Span(1000 * round(frames * (1 - share)), None)
    model = memory.model
    question = model.question(QUESTION)

    def opened() -> None:
        memory.branch(len(question), span).close()

    def read() -> None:
        with memory.branch(len(question)) as branch:
            model.logits(model.forward(question, PackedPass([branch.row(len(question))]))[-1:])

    ours, whole = least([opened, read], rounds)
    return Row(
        f"a branch of {share:.0%} of {BUDGET} tokens, 0.5B shape, {dtype}",
        ours,
        "warm TTFT of a plain question",
        whole,
    )


def _weighed(memory: VideoMemory, dtype: str, rounds: int) -> Row:
    """An answer and its evidence, of so many frames as have something to show."""
    model, ids = memory.model, [20] * ANSWER_TOKENS
    question = model.question(QUESTION)

    def answer() -> None:
        with memory.branch(len(question) + ANSWER_TOKENS) as branch:
            inputs = question
            for token in ids:
                row = branch.row(len(inputs))
                model.logits(model.forward(inputs, PackedPass([row]))[-1:])
                branch.commit(row)
                inputs = model.embed([token])

    def evidence() -> None:
        with memory.branch(len(question)) as branch:
            held = branch.frames()
            search = Hiding(held, NAMED)
            while search.next:
                hidden = search.next
                logprobs_without(model, branch, question, ids, hidden)
                # As if the last frame alone showed it: no search takes longer.
                last = held[-1]
                search.took([-9.0 if last in frames else -0.1 for frames in hidden])

    alone, weighing = least([answer, evidence], rounds)
    return Row(
        f"evidence of {NAMED} frames of an answer of {ANSWER_TOKENS} tokens, 0.5B shape, {dtype}:"
        f" {weighing / alone:.1f} times the answer",
        weighing,
        "the answer itself",
        alone,
    )
