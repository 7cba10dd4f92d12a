"""The code blocks of all pages, and how each is said to be tested.

A comment stands before each block of commands or Python: `<!-- run: NAME -->` for one that a test
of that name runs, `<!-- not run: WHY -->` for any other.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATTERNS = (
    "*.md",
    "docs/**/*.md",
    "deploy/**/*.md",
    "examples/**/*.md",
    "hermes/**/*.md",
)
RUNS = {
    "demo",
    "up",
    "tour",
    "client",
    "asking-client",
    "library",
    "library-video",
    "memory",
    "memory-snapshot",
    "token",
    "certificates",
    "tls-client",
    "device-session",
    "evaluation",
    "device-session-again",
    "device-session-before",
    "device-session-long",
    "models",
    "models-check",
    "http-openai",
    "http-openai-choices",
    "http-curl",
    "http-mcp",
}
"""The names that pages give in `<!-- run: NAME -->`. Their tests are in tests/integration/docs
and tests/unit/vlm/test_models_tour.py."""
SHELL = frozenset({"sh", "bash", "shell", "console"})
_FENCE = re.compile(r"^```(\w*)\s*$")
_MARK = re.compile(r"^<!-- (run|not run): (.+) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block. `name`: of the test that runs it, "" if none does; `why_not`: why not."""

    page: str
    line: int
    language: str
    text: str
    name: str = ""
    why_not: str = ""

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def can_be_run(self) -> bool:
        """Whether it holds commands or a program."""
        return self.language in SHELL or self.language == "python"

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command, without what the shell adds to it."""
        if self.language not in SHELL:
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := _words(line))]


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return []  # a part of a longer construct of the shell
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    return words[:-1] if words and words[-1] == "&" else words


def pages() -> list[Path]:
    """All Markdown files that belong to the project."""
    return sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)})


def blocks() -> list[Block]:
    """All blocks of all pages."""
    return [block for page in pages() for block in _of(page)]


def sessions(page: str) -> Iterator[tuple[str, list[str]]]:
    """What a page shows of a terminal: each command after a `$`, and the lines below it."""
    for block in _of(ROOT / page):
        if block.language or not block.text.startswith("$ "):
            continue
        for part in block.text.removeprefix("$ ").split("\n$ "):
            command, *shown = part.rstrip("\n").split("\n")
            yield command, shown


def _of(page: Path) -> Iterator[Block]:
    mark = ("", "")
    fence: tuple[int, str] | None = None
    body: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if fence is not None:
            if line.startswith("```"):
                kind, text = mark
                name, why_not = (text, "") if kind == "run" else ("", text)
                at, language = fence
                relative = str(page.relative_to(ROOT))
                yield Block(relative, at, language, "\n".join(body) + "\n", name, why_not)
                fence, mark, body = None, ("", ""), []
            else:
                body.append(line)
        elif found := _FENCE.match(line):
            fence = number, found[1]
        elif found := _MARK.match(line):
            mark = found[1], found[2]
        elif line.strip():
            mark = "", ""
