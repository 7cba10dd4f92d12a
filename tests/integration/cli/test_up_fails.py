"""`hermes up` that cannot run: one line that matters, and a log that can be read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.integration.cli.test_demo import environment
from tests.support import up, video


def test_a_service_that_cannot_start(tmp_path: Path) -> None:
    film = video.write(tmp_path / "film.mp4", 10)
    failed = subprocess.run(
        [*up.COMMAND, "--listen", "127.0.0.1:0", "--camera", f"lobby={film}"],
        env={**environment(tmp_path), "HERMES_CHUNK_MAX_FRAMES": "999"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert failed.returncode == 1
    assert "error: decoder ended (status 2)" in failed.stderr
    assert "HERMES_CHUNK_MAX_FRAMES: Input should be less than or equal to 64" in failed.stderr
    assert "Traceback" not in failed.stderr
    found = re.search(r"log: (\S+)", failed.stderr)
    assert found is not None, failed.stderr
    assert "HERMES_CHUNK_MAX_FRAMES" in Path(found[1]).read_text()
