from __future__ import annotations

import pytest

from tests.support.ingest_rig import Rig


@pytest.fixture
def rig() -> Rig:
    """Camera `a` is ours, and its log is empty."""
    made = Rig()
    made.gain("a")
    made.ingest.step(0.0)
    return made
