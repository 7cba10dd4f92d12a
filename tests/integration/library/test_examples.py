"""The examples of the library run as they are written, on a checkpoint that is made here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import tiny, video

ROOT = Path(__file__).parents[3]
HUB = "llava-hf/llava-onevision-qwen2-7b-ov-hf"


def example(page: str, holding: str) -> str:
    """The one Python block of a page that holds these words, on the checkpoint that we have."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    (found,) = [block for block in blocks if holding in block]
    return found.replace(HUB, str(tiny.folder())).replace(', device="cuda"', "")


def test_the_readmes_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "dock.mp4"
    video.write(film, frames=100)
    code = example("README.md", "av.open").replace("recordings/dock.mp4", str(film))
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    memory = names["memory"]
    assert memory.coverage().frames_seen == 4  # type: ignore[attr-defined]
    assert capsys.readouterr().out.count("\n") == 1


def test_the_memory_pages_library(capsys: pytest.CaptureFixture[str]) -> None:
    code = example("docs/memory.md", "memory.coverage()")
    names: dict[str, object] = {"frames": tiny.pictures(20)}
    exec(compile(code, "docs/memory.md", "exec"), names)
    assert "whole_since_ms=0" in capsys.readouterr().out
