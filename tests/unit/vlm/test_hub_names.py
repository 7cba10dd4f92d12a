"""Models by their name on the hub, from a cache, without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import tiny_hub

COMMIT = {"main": "a" * 40, "v2": "b" * 40}
PROGRAM = """
import sys
from hermes.errors import HermesError
from hermes.vlm import load
for revision in (None, "main", "v2", "{v2}", "v3"):
    try:
        print(load("owner/name", revision=revision).decoding.repetition_penalty)
    except HermesError as error:
        print(error.reason, error)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A cache as the hub's own library writes it, with two revisions of one model."""
    repository = tmp_path / "hub" / "models--owner--name"
    for revision, family in (("main", "llava_onevision"), ("v2", "qwen2_5_vl")):
        shutil.copytree(tiny_hub.folder(family), repository / "snapshots" / COMMIT[revision])
        reference = repository / "refs" / revision
        reference.parent.mkdir(exist_ok=True)
        reference.write_text(COMMIT[revision])
    return tmp_path


@pytest.mark.slow
def test_a_revision_is_taken_from_the_cache(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(**COMMIT)],
        env={**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    *found, missing = done.stdout.splitlines()
    assert found == ["1.0", "1.0", "1.05", "1.05"]
    assert missing.startswith("INVALID_INPUT")
    assert "v3" in missing
