"""The one line of a log that says why a service ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.cli.log_file import how_it_ended, last_words, load_progress


def event(name: str, level: str = "info", **more: str) -> str:
    return json.dumps({"event": name, "level": level, **more})


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([event("starting"), event("cannot_start", "error", error="no")], "cannot_start: no"),
        ([event("starting"), event("camera_gained")], ""),
        ([event("broken", "error"), event("starting"), event("ready")], ""),
        ([event("broken", "error"), *[event("fine")] * 20], ""),
        ([event("ready"), "Traceback (most recent call last):", "  File", "OSError: x"], "x"),
        ([event("stop", "critical", exception="Traceback\nValueError: y")], "ValueError: y"),
        ([], ""),
    ],
)
def test_the_last_error(tmp_path: Path, lines: list[str], told: str) -> None:
    log = tmp_path / "worker.log"
    log.write_text("\n".join(lines))
    found = last_words(log)
    assert (told in found) if told else (found == "")
    assert "{" not in found


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert last_words(tmp_path / "none.log") == ""


def test_the_end_of_a_process() -> None:
    assert how_it_ended(2) == "status 2"
    assert how_it_ended(-15) == "killed by SIGTERM"
    assert "memory" in how_it_ended(-9)


def test_how_far_loading_has_come(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    assert load_progress(log) == ""
    lines = [event("starting"), "no JSON", event("loading_model", progress="loading shard 1 of 4")]
    log.write_text("\n".join([*lines, event("loading_model", progress="shard 2"), event("other")]))
    assert load_progress(log) == "shard 2"
