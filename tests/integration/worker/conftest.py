from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Folder of a checkpoint store, not made yet."""
    return tmp_path / "kept"
