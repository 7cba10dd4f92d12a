"""Rows of the device's benchmark are written as they come, and a failure ends itself alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.device.report import Report


def written(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "device.json").read_text())
    return found


def test_a_row_is_written_at_once(tmp_path: Path) -> None:
    report = Report({"device": "a"}, tmp_path)
    table = report.table("frames a second", ("cameras", "frames/s"), "all of them")
    table.add(1, 3.0)
    assert written(tmp_path)["tables"] == [
        {
            "title": "frames a second",
            "columns": ["cameras", "frames/s"],
            "rows": [[1, 3.0]],
            "notes": ["all of them"],
        }
    ]
    table.note("and more")
    assert "and more" in (tmp_path / "device.md").read_text()


def test_a_row_that_fails_is_empty_and_says_why(tmp_path: Path) -> None:
    report = Report({}, tmp_path)
    table = report.table("t", ("cameras", "frames/s", "limit"))

    def full() -> tuple[float, float]:
        raise MemoryError("no room\nfor more")

    assert table.attempt(64, lambda: (2.0, 3.0))
    assert not table.attempt(128, full)
    assert table.attempt(256, lambda: (4.0, 5.0))
    (found,) = written(tmp_path)["tables"]
    assert found["rows"] == [[64, 2.0, 3.0], [128, None, None], [256, 4.0, 5.0]]
    assert found["notes"] == ["cameras 128: MemoryError: no room"]


def test_a_part_that_fails_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    tidied: list[str] = []
    report = Report({}, tmp_path, tidy=lambda: tidied.append("tidied"))

    def breaks() -> None:
        report.table("half", ("a",)).add(1)
        raise RuntimeError("lost")

    report.attempt("first", breaks)
    report.attempt("second", lambda: report.table("whole", ("a",)).add(2))
    found = written(tmp_path)
    assert [table["rows"] for table in found["tables"]] == [[[1]], [[2]]]
    assert found["about"]["failures"] == report.failures == {"first": "RuntimeError: lost"}
    assert len(tidied) == 2


def test_nothing_begins_once_the_time_is_over(tmp_path: Path) -> None:
    """So a run within a lease ends with what it has, and `--quick` within four minutes."""
    now = [0.0]
    report = Report({}, tmp_path, clock=lambda: now[0], budget_s=200.0)

    def part() -> None:
        table = report.table("t", ("cameras", "frames/s"))
        now[0] = 199.0
        table.attempt(1, lambda: (2.0,))
        now[0] = 200.0
        table.attempt(2, lambda: (3.0,))

    report.attempt("first", part)
    report.attempt("second", lambda: report.table("never", ("a",)).add(1))
    (found,) = written(tmp_path)["tables"]
    assert found["rows"] == [[1, 2.0], [2, None]]
    assert "over before it began" in found["notes"][0]
    assert "over before it began" in report.failures["second"]
