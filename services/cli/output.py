"""How cameras, answers and errors are printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hermes.client import Answer, Camera

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_STATE_STYLE = {
    "online": "green",
    "serving": "green",
    "ended": "cyan",
    "connecting": "yellow",
    "replaying": "yellow",
    "empty": "yellow",
    "pending": "yellow",
    "offline": "red",
    "failed": "red",
}


def fail(message: str, status: int = 1) -> NoReturn:
    """Print an error and exit with `status`."""
    err.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)
    sys.exit(status)


def camera_table(cameras: Sequence[Camera]) -> Table:
    """A table of cameras: their sources and their memories."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("camera", "source", "memory"):
        table.add_column(name)
    for name in ("fps", "frames", "tokens", "KV cache", "lag"):
        table.add_column(name, justify="right")
    table.add_column("note", overflow="fold")
    for camera in cameras:
        source, memory = camera.source, camera.memory
        table.add_row(
            camera.id,
            _state(source.state),
            _state(memory.state),
            f"{source.frames_per_second:.1f}" if source.frames_per_second else "-",
            str(memory.frames),
            str(memory.tokens),
            human_bytes(memory.bytes),
            milliseconds(memory.lag_s) if memory.frames else "-",
            escape(_note(camera)),
        )
    return table


def _note(camera: Camera) -> str:
    """What is wrong with the source, and what source and memory wait for."""
    source = camera.source
    said = ": ".join(part for part in (source.error, source.error_message) if part)
    return "; ".join(part for part in (said, camera.memory.message) if part)


def answer_line(answer: Answer) -> str:
    """The figures of an answer, in one line."""
    timings = answer.timings
    first = milliseconds(timings.gateway_time_to_first_token_s)
    warm = milliseconds(timings.warm_time_to_first_token_s)
    per_token = milliseconds(timings.time_per_output_token_s)
    return (
        f"TTFT {first} (warm {warm})  TPOT {per_token}  {answer.answer_tokens} tokens  "
        f"from {answer.coverage.frames} frames{_span(answer)}"
    )


def _span(answer: Answer) -> str:
    coverage = answer.coverage
    if coverage.span is None:
        return ""
    first, last = coverage.media_start_s, coverage.media_end_s
    if first is not None and last is not None and first <= last:  # else the file began again
        return f", {_position(first)} to {_position(last)}"
    span, gaps = coverage.span, len(coverage.gaps)
    shown = f", {gaps} gap{'s' if gaps > 1 else ''}" if gaps else ""
    return f", {_clock(span.start)} to {_clock(span.end)}{shown}"


def _clock(time: datetime) -> str:
    return time.astimezone().strftime("%H:%M:%S")


def _position(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"


def milliseconds(seconds: float | None) -> str:
    """For people: `12.3 ms`, `4.5 s`."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def human_bytes(count: int) -> str:
    """For people: `2.5 MiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _state(state: str) -> str:
    style = _STATE_STYLE.get(state)
    return f"[{style}]{escape(state)}[/]" if style else escape(state)
