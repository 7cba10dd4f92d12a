from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli import redis_server
from tests.support.shapes import Shape, running_shape
from tests.support.video import write

FRAMES = 600
"""Sampled frames of the film."""
HANGS_S = 3600
"""A session that lasts for so long hangs. What is merely late fails at a deadline of its own, and
that grows on a busy machine (`tests.support.patience`)."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two videos, for a fleet."""
    if redis_server.find_binary() is None:
        pytest.skip("no redis-server binary to start and stop")
    monkeypatch.delenv("REDIS_URL", raising=False)
    (tmp_path / "media").mkdir()
    write(tmp_path / "media" / "loop.mp4", 40, rate=10)
    write(tmp_path / "media" / "film.mp4", FRAMES * 2, rate=10)
    return tmp_path


@pytest.fixture(params=["server", "cluster", "sentinel"])
def shape(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shape]:
    """A Redis of each shape. Tests may name others."""
    with running_shape(request.param, tmp_path / "shape") as running:
        yield running
