"""Parses a Dockerfile into stages of instructions: the subset that ours use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "images" / "Dockerfile"
SERVICES = ("gateway", "decoder", "worker", "notifier", "web")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: what it starts from, and its instructions in order."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        """The arguments of every such instruction."""
        return [arguments for word, arguments in self.instructions if word == keyword]


def stages() -> dict[str, Stage]:
    """The stages of our Dockerfile by name, in order."""
    found: dict[str, Stage] = {}
    current: Stage | None = None
    for keyword, arguments in _instructions(DOCKERFILE.read_text()):
        if keyword == "FROM":
            base, _, name = arguments.partition(" AS ")
            current = found[name] = Stage(name, base)
        elif current is not None:
            current.instructions.append((keyword, arguments))
    return found


def lineage(service: str) -> list[Stage]:
    """The stages that an image is made of, the outermost base first."""
    every = stages()
    stage = every[service]
    before = lineage(stage.base) if stage.base in every else []
    return [*before, stage]


def last(service: str, keyword: str) -> str:
    """What holds in the image: the last such instruction of its stages."""
    return [arguments for stage in lineage(service) for arguments in stage.all(keyword)][-1]


def environment(service: str) -> dict[str, str]:
    """The variables that the image sets."""
    pairs = [
        pair
        for stage in lineage(service)
        for line in stage.all("ENV")
        for pair in re.findall(r"(\w+)=(\S+)", line)
    ]
    return dict(pairs)


def base() -> str:
    """The image that everything starts from."""
    (found,) = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    return str(found)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            keyword, _, arguments = line.partition(" ")
            yield keyword, " ".join(arguments.split())
