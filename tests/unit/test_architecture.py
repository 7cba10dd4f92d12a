"""docs/architecture.md names files that exist, and phases as they are in the code."""

from __future__ import annotations

import re
from pathlib import Path

from services.hermes_worker.phase import TRANSITIONS, Phase

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def test_every_file_exists() -> None:
    """A bare name is a file of the folder that the same line named before it."""
    missing = []
    for line in PAGE.replace("\n   ", " ").splitlines():
        folder = Path()
        for name in re.findall(r"`([\w/]+(?:\.(?:py|lua)|/))`", line):
            path = ROOT / name if name.startswith(("hermes/", "services/")) else folder / name
            if not path.exists():
                missing.append(name)
            folder = path.parent
    assert missing == []


def test_phases_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `([A-Z]+)` \|[^|]*\| (.*) \|$", PAGE, re.M)
    documented = {
        Phase[name]: {Phase[follows] for follows in re.findall(r"`([A-Z]+)`", cell)}
        for name, cell in rows
    }
    assert documented == TRANSITIONS
