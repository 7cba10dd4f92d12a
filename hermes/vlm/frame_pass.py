"""Passes over frames of many memories: the tower reads them, then the decoder takes them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import torch

from hermes.memory import Compression, PackedPass
from hermes.vlm.frame_run import FrameRun, PendingFrame
from hermes.vlm.frame_step import FrameStep
from hermes.vlm.glance import glances
from hermes.vlm.tower import Between

Outcome = Compression | Exception | None
"""A picture's outcome: the compression that it caused, None, or why it is not in memory."""


class FramePass:
    """Takes runs of frames into their memories, all of one model.

    A pass that fails (out of memory, say) leaves no trace: it is tried again in halves.
    A frame that fails alone has its error as its outcome, and no effect on others.
    """

    def __init__(
        self,
        outcomes: list[Outcome],
        between: Between | None,
        on_retry: Callable[[Exception], None],
    ) -> None:
        """`outcomes`: written to, by arrival. `between`: called between two layers and after each
        compression. `on_retry`: called with the error of each pass that is tried again.
        """
        self._outcomes = outcomes
        self._between = between
        self._on_retry = on_retry

    def run(self, runs: Sequence[FrameRun]) -> None:
        """Take all their frames in."""
        self._encode([(run, frame) for run in runs for frame in run.pending])
        for run in runs:
            run.only([frame for frame in run.pending if frame.features is not None])
        while left := [run for run in runs if run.pending]:
            self._advance(left, max(len(run.pending) for run in left))

    def _encode(self, frames: Sequence[tuple[FrameRun, PendingFrame]]) -> None:
        """Have the tower read frames."""
        if not frames:
            return
        model = frames[0][0].memory.model
        pictures = [picture for _, frame in frames for picture in frame.pictures.pictures]
        try:
            for (_, frame), own in zip(frames, model.encode(pictures, self._between), strict=True):
                frame.features = own
            return
        except Exception as error:
            failure = error.with_traceback(None)  # a traceback would keep the pass's tensors alive
        if len(frames) == 1:
            self._outcomes[frames[0][1].arrival] = failure
            return
        self._retry(failure)
        cut = len(frames) // 2
        self._encode(frames[:cut])
        self._encode(frames[cut:])

    def _advance(self, runs: Sequence[FrameRun], most: int) -> None:
        """One pass over the next frames of each run, at most `most`; or passes over halves."""
        steps: list[tuple[FrameRun, FrameStep]] = []
        try:
            refused = self._attempt(runs, most, steps)
        except Exception as error:
            failure = error.with_traceback(None)
        else:
            steps.clear()
            for run, count, reason in refused:
                if count > 1:
                    self._retry(reason)
                self._fail(run, count, reason)
            return
        if len(runs) == 1:
            count = steps[0][1].count if steps else min(most, len(runs[0].pending))
            steps.clear()
            if count > 1:
                self._retry(failure)
            self._fail(runs[0], count, failure)
            return
        steps.clear()
        self._retry(failure)
        cut = len(runs) // 2
        self._advance(runs[:cut], most)
        self._advance(runs[cut:], most)

    def _fail(self, run: FrameRun, count: int, failure: Exception) -> None:
        """The next so many frames of a run failed together: find out which of them do alone."""
        if count == 1:
            self._outcomes[run.pending[0].arrival] = failure
            run.drop(1)
            return
        half = count // 2
        self._advance([run], half)
        if run.pending:
            self._advance([run], count - half)

    def _retry(self, failure: Exception) -> None:
        self._on_retry(failure)
        if isinstance(failure, torch.OutOfMemoryError):
            torch.cuda.empty_cache()

    def _attempt(
        self, runs: Sequence[FrameRun], most: int, steps: list[tuple[FrameRun, FrameStep]]
    ) -> list[tuple[FrameRun, int, Exception]]:
        """One pass. Returns the runs whose frames were refused, and how many of each.

        `steps`: gets the steps that were begun. If it raises, all of them were abandoned.
        """
        model = runs[0].memory.model
        open_runs = []
        for run in runs:
            if run.memory.cache.closed:  # while the tower read its pictures, or since
                run.drop(len(run.pending))
            else:
                open_runs.append(run)
        try:
            _look(open_runs)
            for run in open_runs:
                step = run.begin(most)
                steps.append((run, step))
            if not steps:
                return []
            inputs = torch.cat([part for _, step in steps for part in step.inputs])
            packed = PackedPass([row for _, step in steps for row in step.rows], self._between)
            hidden = model.forward(inputs, packed).split([step.tokens for _, step in steps])
            found = [step.finite(part) for (_, step), part in zip(steps, hidden, strict=True)]
            finite = torch.stack(found).tolist()  # the one wait for the device
        except BaseException:
            for run, step in steps:
                run.memory.abandon(step)
            raise
        refused: list[tuple[FrameRun, int, Exception]] = []
        ended = 0
        try:
            for (run, step), good in zip(steps, finite, strict=True):
                ended += 1
                outcome: Outcome
                try:
                    outcome = run.memory.end(step, good)
                except Exception as error:
                    outcome = error.with_traceback(None)
                    if not all(good):
                        run.memory.abandon(step)
                        refused.append((run, step.count, outcome))
                        continue
                    # The frames are in memory; what failed is the compression after them.
                self._outcomes[run.pending[step.count - 1].arrival] = outcome
                run.took(step.count)
                if isinstance(outcome, Compression) and self._between is not None:
                    self._between()  # many compressions in a row would keep a question waiting
        except BaseException:
            for run, step in steps[ended:]:
                run.memory.abandon(step)
            raise
        return refused


def _look(runs: Sequence[FrameRun]) -> None:
    """Find out what changed in frames: one wait for the device, if any must be looked at."""
    there = [(run, coming) for run in runs if (coming := run.coming()) is not None]
    found = glances([coming for _, coming in there])
    numbers = iter(torch.cat([glance.numbers for glance in found]).tolist() if found else [])
    for (run, _), glance in zip(there, found, strict=True):
        run.looked(glance, list(islice(numbers, len(glance.numbers))))
