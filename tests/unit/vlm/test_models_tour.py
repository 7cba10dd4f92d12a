"""docs/models.md works as it is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hermes.vlm import FAMILIES
from hermes.vlm.shapes import SHAPES
from services.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "models.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_tour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: to import what it needs takes longer than the tour."""
    monkeypatch.chdir(tmp_path)
    for block in blocks("python"):
        exec(compile(block, "docs/models.md", "exec"), {})
        assert "frames_seen=8" in capsys.readouterr().out
    first, *_ = blocks("sh")[0].splitlines()
    program, *arguments = first.split()
    assert program == "hermes"
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    assert "llava_onevision" in ran.output


def test_every_family_and_every_shape_is_on_the_page() -> None:
    for name in [*FAMILIES, *SHAPES]:
        assert f"`{name}`" in PAGE
