"""How cameras, answers and errors are printed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

from hermes.client import Answer, Camera
from services.cli.camera_table import CameraTable
from services.cli.durations import shown_position
from services.cli.figures import milliseconds

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


def fail(message: str, status: int = 1) -> NoReturn:
    """Print an error and exit with `status`."""
    err.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)
    sys.exit(status)


def camera_table(cameras: Sequence[Camera], *, wide: bool = False) -> CameraTable:
    """A table of cameras, for a `Live` display."""
    return CameraTable(cameras, wide=wide)


def print_cameras(cameras: Sequence[Camera], *, wide: bool = False) -> None:
    """Print a table of cameras. Lines are whole where there is no terminal."""
    out.print(CameraTable(cameras, wide=wide), soft_wrap=True)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they are, whole."""
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def answer_line(answer: Answer, *, with_id: bool = False) -> str:
    """The figures of an answer, in one line; with its id, for `hermes evidence`."""
    timings = answer.timings
    first = milliseconds(timings.gateway_time_to_first_token_s)
    warm = milliseconds(timings.warm_time_to_first_token_s)
    per_token = milliseconds(timings.time_per_output_token_s)
    return (
        f"TTFT {first} (warm {warm})  TPOT {per_token}  {answer.answer_tokens} tokens  "
        f"from {answer.coverage.frames} frames{_span(answer)}{_id(answer) if with_id else ''}"
    )


def _span(answer: Answer) -> str:
    coverage = answer.coverage
    if coverage.span is None:
        return ""
    first, last = coverage.media_start_s, coverage.media_end_s
    if first is not None and last is not None and first <= last:  # else the file began again
        return f", {shown_position(first)} to {shown_position(last)}"
    span, gaps = coverage.span, len(coverage.gaps)
    shown = f", {gaps} gap{'s' if gaps > 1 else ''}" if gaps else ""
    return f", {_clock(span.start)} to {_clock(span.end)}{shown}"


def _id(answer: Answer) -> str:
    return f"  answer {answer.answer_id}" if answer.answer_id else ""


def _clock(time: datetime) -> str:
    return time.astimezone().strftime("%H:%M:%S")
