"""Draws the README's pictures: what `make demo` prints, and what a memory holds.

Both come from a real run on this machine. Run `make pictures` after a change of either.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from hermes import picture
from hermes.demo.sample import sample_video
from hermes.memory import look_inside
from hermes.vlm import VideoMemory, load

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
COLUMNS = 92
QUESTIONS = 5
"""How many questions are shown."""


def main() -> None:
    """Draw both pictures."""
    draw_demo(IMAGES / "demo.svg")
    draw_memory(IMAGES / "memory.svg")


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
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text("$ make demo", style="bold"))
    console.print(Text.from_ansi("\n\n".join(shown)))
    svg = console.export_svg(title="HERMES Live")
    # The same run gives the same file: ids are drawn from the content, and no font is fetched.
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL))


def draw_memory(path: Path) -> None:
    """What the library's example in the README leaves in memory."""
    memory = VideoMemory(load("demo"), budget=192, compress_every_frames=4)
    memory.feed(*sample_video())
    picture.save(look_inside(memory.cache), path, title="the sample video")


if __name__ == "__main__":
    main()
