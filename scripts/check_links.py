"""Check that what the Markdown files point at is there: links, anchors, and paths in backticks.

Prints `file:line: problem` and exits with 1 if there is one. Only what lies in
the repository is looked at; addresses on the web are not asked for.
"""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (
    "hermes", "services", "docs", "tests", "deploy", "protos", "scripts", "benchmarks", "examples",
)  # fmt: skip

FENCE = re.compile(r" {0,3}(?:> ?)*(`{3,}|~{3,})")
CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
TARGET = r"(?:<([^<>]*)>|([^()\s]*(?:\([^()\s]*\)[^()\s]*)*))"
LINK = re.compile(rf"\]\(\s*{TARGET}(?:\s+[\"'(][^)]*)?\s*\)")
DEFINITION = re.compile(r" {0,3}\[[^\]^][^\]]*\]:\s*<?([^\s>]+)>?")
HEADING = re.compile(r" {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$")
UNDERLINE = re.compile(r" {0,3}(?:=+|-+)\s*$")
HTML_TARGET = re.compile(r"<[^>]*\b(?:id|name)=[\"']([^\"']+)[\"']")
HTML_LINK = re.compile(r"<(?:a|img|source)\b[^>]*\b(?:href|src|srcset)=[\"']([^\"'\s]+)[\"']")
SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./*@+-]*")


class Problem(NamedTuple):
    """Where something is wrong, and what."""

    file: Path
    line: int
    text: str


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines outside fenced code, numbered from 1; fenced ones come as empty."""
    closing = ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if closing:
            if fence and fence[1].startswith(closing) and not line[fence.end() :].strip():
                closing = ""
            yield number, ""
        elif fence:
            closing = fence[1]
            yield number, ""
        else:
            yield number, line


def slug(heading: str) -> str:
    """The anchor that a heading gets on GitHub, but for the number of a repeated one."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"<[^>]+>", "", text)
    text = re.sub(r"(?<!\w)[*_]+|[*_]+(?!\w)", "", text).replace("`", "")
    kept = (c for c in text.lower().strip() if c in " -_" or unicodedata.category(c)[0] in "LNM")
    return "".join(kept).replace(" ", "-")


@cache
def anchors(file: Path) -> frozenset[str]:
    """Everything after a # that a link to this file may carry."""
    found: set[str] = set()
    seen: dict[str, int] = {}
    before = ""
    for _, line in prose(file.read_text(encoding="utf-8")):
        heading = HEADING.match(line)
        text = heading[1] if heading else before if UNDERLINE.match(line) else ""
        if text.strip():
            name = slug(text)
            repeated = seen.get(name, -1) + 1
            seen[name] = repeated
            found.add(f"{name}-{repeated}" if repeated else name)
        found.update(HTML_TARGET.findall(line))
        before = line.strip()
    return frozenset(found)


def check_link(root: Path, file: Path, target: str) -> str | None:
    """What is wrong with a link's target, or None."""
    if not target:
        return "a link without a target"
    if SCHEME.match(target) or target.startswith("//"):
        return None
    path, _, anchor = target.partition("#")
    path = unquote(path.partition("?")[0])
    start = root if path.startswith("/") else file.parent
    pointed = (start / path.lstrip("/")).resolve() if path else file
    if not pointed.is_relative_to(root):
        return f"{target} leads out of the repository"
    if not pointed.exists():
        return f"{target} does not exist"
    if anchor and pointed.suffix == ".md" and unquote(anchor) not in anchors(pointed):
        return f"{target}: no heading gives the anchor #{anchor}"
    return None


def check_path(root: Path, path: str) -> str | None:
    """What is wrong with a path that is mentioned in backticks, or None."""
    plain = path.rstrip("/.")
    if "..." in plain or "…" in plain:
        return None
    there = any(root.glob(plain)) if "*" in plain else (root / plain).exists()
    return None if there else f"`{path}` does not exist"


def check_file(root: Path, file: Path) -> Iterator[Problem]:
    """All problems of one Markdown file, in order."""
    for number, line in prose(file.read_text(encoding="utf-8")):
        for code in CODE.finditer(line):
            for word in code[2].split():
                # `services/decoder/main.py:17` and `tests/x.py::test_y` are paths all the same.
                word = re.sub(r":.*$", "", word)
                if PATH.fullmatch(word) and (wrong := check_path(root, word)):
                    yield Problem(file, number, wrong)
        text = CODE.sub("", line)
        targets = [match[1] or match[2] for match in LINK.finditer(text)]
        targets += DEFINITION.findall(text) + HTML_LINK.findall(text)
        for target in targets:
            if wrong := check_link(root, file, target):
                yield Problem(file, number, wrong)


def markdown_files(root: Path) -> list[Path]:
    """The Markdown files that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return [root / name for name in sorted(set(listed)) if name and (root / name).is_file()]


def main(root: Path = ROOT) -> int:
    """Check the repository; 1 if there is a problem."""
    files = markdown_files(root)
    problems = [problem for file in files for problem in check_file(root, file)]
    for problem in problems:
        print(f"{problem.file.relative_to(root)}:{problem.line}: {problem.text}")
    print(f"{len(files)} Markdown files, {len(problems)} problems", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
