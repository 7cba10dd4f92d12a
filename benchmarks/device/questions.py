"""The cost of a question, by frames seen, and against alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.device.machine import ROUNDS, Limits, seconds
from benchmarks.device.report import Cell, Report, Table, as_text
from benchmarks.device.subject import EVERY, Plain, Subject, feed
from hermes.engine.question_pass import QuestionPass
from hermes.vlm import VideoMemory, VideoModel

REENCODED = 64
_ANSWER_TOKENS = 16
_RESERVE = 64
_TEXT = "What is happening now?"


@dataclass(frozen=True, slots=True)
class Cost:
    """Times of one answer, in seconds."""

    ttft_s: float
    tpot_s: float


def cost_of(
    model: VideoModel, passes: QuestionPass, memory: VideoMemory, rounds: int = ROUNDS
) -> Cost:
    """A short question about a memory, and an answer of some tokens."""
    device = model.shape.device

    def first() -> None:
        _answer(model, passes, memory, 1)

    def whole() -> None:
        _answer(model, passes, memory, 1 + _ANSWER_TOKENS)

    ttft = seconds(first, device, rounds)
    return Cost(ttft, (seconds(whole, device, rounds) - ttft) / _ANSWER_TOKENS)


@torch.inference_mode()
def _answer(model: VideoModel, passes: QuestionPass, memory: VideoMemory, tokens: int) -> None:
    inputs, answer = model.question(_TEXT), passes.choice.begin(_TEXT)
    try:
        with memory.branch(len(inputs) + tokens) as branch:
            for _ in range(tokens):
                row = branch.row(len(inputs))
                found = passes.tokens([inputs], [row], [answer])
                branch.commit(row)
                inputs = model.embed([token.id for token in found])
    finally:
        passes.choice.end(answer)


def against_frames(
    report: Report, of: Subject, limits: Limits, frames: Sequence[int], most_reencoded: int
) -> None:
    """TTFT, TPOT and bytes, by the number of frames seen. `most_reencoded`: 0 leaves that out."""
    times = report.table(
        f"{of.name}: an answer, by the frames seen (budget {of.budget} tokens a layer)",
        (
            "frames seen",
            "TTFT, ms",
            "limit, ms",
            "TPOT, ms",
            "sliding window, TTFT, ms",
            "everything kept, TTFT, ms",
            f"re-encoding the last {most_reencoded}, TTFT, ms"
            if most_reencoded
            else "re-encoding, TTFT, ms",
        ),
    )
    sizes = report.table(
        f"{of.name}: cache on the device, by the frames seen",
        ("frames seen", "HERMES, MiB", "sliding window, MiB", "everything kept, MiB"),
    )
    ours, window = of.memory(), of.memory("sliding-window")
    most = (of.model.position_limit - 1024) // of.model.layout.tokens - EVERY
    everything = of.memory("sliding-window", budget=max(1, most) * of.model.layout.tokens)
    passes = QuestionPass(of.model, everything.cache.capacity + _RESERVE)
    passes.prepare(of.model.prefix())
    plain, asked = _plain(of, most_reencoded, times), len(of.model.question(_TEXT))
    times.note(
        "Limit: the decoder's weights and this memory's cache, read once at the bandwidth measured."
        f" Everything kept: up to {max(0, most)} frames, where the model's positions end."
    )
    if passes.failed:
        times.note(f"Not recorded: passes of {sorted(set(passes.failed))} tokens.")
    seen = 0

    def row(count: int) -> Sequence[Cell]:
        nonlocal seen
        for memory in (ours, window):
            feed(memory, count - seen)
        kept = count <= most
        if kept:
            feed(everything, count - seen)
        seen = count
        sizes.add(
            count,
            ours.device_bytes / 2**20,
            window.device_bytes / 2**20,
            everything.device_bytes / 2**20 if kept else None,
        )
        cost = cost_of(of.model, passes, ours)
        limit = (of.decoder_bytes + ours.device_bytes) / limits.bytes_s
        anew = None
        if plain is not None:
            again = min(count, most_reencoded)
            anew = seconds(partial(plain.answer, again, asked), of.device, rounds=3)
        return (
            1e3 * cost.ttft_s,
            1e3 * limit,
            1e3 * cost.tpot_s,
            1e3 * cost_of(of.model, passes, window).ttft_s,
            1e3 * cost_of(of.model, passes, everything).ttft_s if kept else None,
            None if anew is None else 1e3 * anew,
        )

    try:
        for count in sorted(frames):
            times.attempt(count, partial(row, count))
    finally:
        for memory in (ours, window, everything):
            memory.close()


def _plain(of: Subject, most_reencoded: int, table: Table) -> Plain | None:
    """The model as transformers has it, if it is to be measured and there is room for it."""
    if not most_reencoded:
        return None
    try:
        made = Plain(of)
    except Exception as error:
        table.note(f"Nothing is re-encoded: {as_text(error)}")
        return None
    return made if made.can_answer else None
