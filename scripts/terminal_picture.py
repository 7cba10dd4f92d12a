"""What a terminal shows, as an SVG."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.text import Text


def draw_terminal(path: Path, shown: Iterable[tuple[str, str]], columns: int) -> None:
    """Draw commands, and what each of them showed, with its colours."""
    console = Console(record=True, width=columns, file=open(os.devnull, "w"))  # noqa: SIM115
    for number, (command, output) in enumerate(shown):
        if number:
            console.print()
        lines = textwrap.wrap(f"$ {command}", columns - 4, subsequent_indent="    ")
        console.print(Text(" \\\n".join(lines), style="bold"))
        console.print(Text.from_ansi(output.rstrip()))
    svg = console.export_svg(title="HERMES Live")
    # The same run gives the same file: ids are drawn from the content, and no font is fetched.
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL))
