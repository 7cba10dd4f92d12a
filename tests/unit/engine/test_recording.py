"""Recordings of passes of each size: what fails loses one size, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.engine.question_pass import SIZES, QuestionPass, sizes_up_to
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.noted_device import NotedDevice, NotedRecorder


class Nothing:
    """An attention that finds nothing, at no cost."""

    def __init__(self, tokens: int, heads: int, kv_heads: int, dim: int, *_: Any) -> None:
        self._size = tokens, heads, dim

    def attend(self, *_: Any) -> Tensor:
        return torch.zeros(self._size)


def passes(device: NotedDevice, most_tokens: int = 8) -> QuestionPass:
    device.enter()
    return QuestionPass(tiny.model(), 100, Nothing, device=device, most_tokens=most_tokens)


@torch.inference_mode()
def asked(of: QuestionPass, tokens: int) -> None:
    model, memory = tiny.model(), VideoMemory(tiny.model(), "sliding-window", budget=96)
    inputs = model.embed([20] * tokens)
    with memory.branch(tokens) as branch:
        of.tokens([inputs], [branch.row(tokens)], [of.choice.begin("What now?")])


@pytest.mark.parametrize(
    ("most", "beyond"),
    [(1, ()), (256, ()), (257, (320,)), (320, (320,)), (321, (384,)), (5000, (512,))],
)
def test_sizes_reach_as_far_as_passes_do(most: int, beyond: tuple[int, ...]) -> None:
    """256 tokens of new questions and 64 answers under way make a pass of 320."""
    assert sizes_up_to(most) == (*SIZES, *beyond)


@pytest.mark.parametrize(
    "fault", [RuntimeError("no such thing"), torch.OutOfMemoryError("out of memory")]
)
def test_a_recording_that_fails_half_way_loses_its_size_alone(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Its memory is given back before the next one is recorded, and it is not tried again."""
    device = NotedDevice(recorder=NotedRecorder({2: fault}))
    of = passes(device)
    of.prepare(tiny.model().prefix())
    assert of.sizes[0] == SIZES[-1]  # the largest first: the others fit into what it took
    assert of.failed == [SIZES[-2]]
    assert device.calls["free_unused"] == 1
    assert caplog.text.count(f"question passes of {SIZES[-2]} tokens cannot be recorded") == 1
    recorded = device.noted_recorder.recorded
    asked(of, SIZES[-2])
    assert device.noted_recorder.launches == 0  # packed
    asked(of, 3)
    assert device.noted_recorder.launches == 1
    assert device.noted_recorder.recorded == recorded


def test_every_size_can_fail_and_questions_are_answered() -> None:
    faults: dict[int, Exception] = {n: torch.OutOfMemoryError("full") for n in range(40)}
    device = NotedDevice(recorder=NotedRecorder(faults))
    of = passes(device)
    of.prepare(tiny.model().prefix())
    assert of.failed == of.sizes
    asked(of, 5)


def test_a_pass_of_questions_and_of_answers_under_way_is_recorded() -> None:
    device = NotedDevice()
    of = passes(device, most_tokens=300)
    asked(of, 300)
    assert of.sizes == [320]
    asked(of, 321)
    assert of.sizes == [320]
