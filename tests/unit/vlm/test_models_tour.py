"""docs/models.md works as it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from hermes.vlm import FAMILIES
from hermes.vlm.shapes import SHAPES

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "models.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_tour(tmp_path: Path) -> None:
    for block in blocks("python"):
        assert "frames_seen=8" in run(tmp_path, "-c", block)
    first, *_ = blocks("sh")[0].splitlines()
    program, *arguments = first.split()
    assert program == "hermes"
    assert "llava_onevision" in run(tmp_path, "-m", "services.cli.main", *arguments)


def test_every_family_and_every_shape_is_on_the_page() -> None:
    for name in [*FAMILIES, *SHAPES]:
        assert f"`{name}`" in PAGE
