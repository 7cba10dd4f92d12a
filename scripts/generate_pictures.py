"""Draws the pictures of the README and of docs/watches.md.

All come from real runs on this machine: of the demo, of a memory, and of a watch. Run
`make pictures` after a change of any of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hermes import picture
from hermes.demo.sample import sample_video
from hermes.memory import look_inside
from hermes.vlm import VideoMemory, load
from scripts.terminal_picture import draw_terminal
from scripts.watch_pictures import draw_event, draw_series
from scripts.watched_run import COLUMNS as WATCH_COLUMNS
from scripts.watched_run import watched_run

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
COLUMNS = 92
QUESTIONS = 5
"""How many questions are shown."""


def main() -> None:
    """Draw them all."""
    draw_demo(IMAGES / "demo.svg")
    draw_memory(IMAGES / "memory.svg")
    draw_watch()


def draw_demo(path: Path) -> None:
    """What a terminal shows of `make demo`."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "demo"],
        # Colours as in a terminal; what a terminal draws over would all stay in the picture.
        env={**os.environ, "FORCE_COLOR": "1", "TTY_INTERACTIVE": "0", "COLUMNS": str(COLUMNS)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    start, watch, *questions = done.stdout.rstrip().split("\n\n")
    total = next(part for part in questions if "answers are right" in part)
    shown = [start, watch, *questions[:QUESTIONS], "...", total]
    draw_terminal(path, [("make demo", "\n\n".join(shown))], COLUMNS)


def draw_memory(path: Path) -> None:
    """What the library's example in the README leaves in memory."""
    memory = VideoMemory(load("demo"), budget=192, compress_every_frames=4)
    memory.feed(*sample_video())
    picture.save(look_inside(memory.cache), path, title="the sample video")


def draw_watch() -> None:
    """What a watch found: in a terminal, as the life of an event, and as time series."""
    try:
        run = watched_run()
    except FileNotFoundError as error:
        print(f"The pictures of docs/watches.md stay as they are: {error}", file=sys.stderr)
        return
    draw_terminal(IMAGES / "watch-try.svg", run.terminal, WATCH_COLUMNS)
    draw_event(run, IMAGES / "watch-event.png")
    draw_series(run, IMAGES / "watch-series.png")


if __name__ == "__main__":
    main()
