"""The device's benchmark, on a CPU: the same commands, the same tables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.device.__main__ import main
from benchmarks.device.load import Seen
from benchmarks.listening import percentile


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("device")
    sizes = ["--frames", "16", "64", "--cameras", "1", "4", "--loads", "1", "2"]
    main([*sizes, "--fps", "4", "--seconds", "1.5", "--out", str(out)])
    written: dict[str, Any] = json.loads((out / "device.json").read_text())
    assert (out / "device.md").read_text().count("\n### ") == len(written["tables"]) == 7
    return written


def rows(found: dict[str, Any], title: str) -> list[dict[str, Any]]:
    """The rows of the table whose title has this in it."""
    (table,) = [table for table in found["tables"] if title in table["title"]]
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


@pytest.mark.slow
def test_a_question_costs_no_more_when_more_was_seen(found: dict[str, Any]) -> None:
    few, many = rows(found, "an answer, by the frames seen")
    assert (few["frames seen"], many["frames seen"]) == (16, 64)
    assert 0 < many["limit, ms"] < many["TTFT, ms"]
    assert many["re-encoding the last 64, TTFT, ms"] > many["TTFT, ms"]


@pytest.mark.slow
def test_memory_is_bounded_and_keeping_everything_is_not(found: dict[str, Any]) -> None:
    few, many = rows(found, "cache on the device")
    assert few["HERMES, MiB"] == many["HERMES, MiB"] > 0
    assert many["everything kept, MiB"] == 4 * few["everything kept, MiB"]


@pytest.mark.slow
def test_frames_are_taken_in(found: dict[str, Any]) -> None:
    one, four = rows(found, "every memory full")
    assert (one["cameras"], four["cameras"]) == (1, 4)
    assert 0 < four["of the limit, %"] < 100
    assert four["one by one, frames/s"] > 0


@pytest.mark.slow
def test_compressions_and_snapshots_are_measured(found: dict[str, Any]) -> None:
    (compression,) = rows(found, "a compression")
    (snapshot,) = rows(found, "a snapshot")
    assert compression["a frame, ms"] > 0
    assert snapshot["MiB"] > 1


@pytest.mark.slow
def test_questions_are_answered_under_load(found: dict[str, Any]) -> None:
    for row in rows(found, "while every camera sends"):
        assert row["questions"] > 0
        assert 0 < row["TTFT p50, ms"] <= row["p95, ms"] <= row["p99, ms"]
        assert 0 <= row["frames refused, %"] < 100  # how many is the machine's affair


def test_too_many_cameras_are_told_by_lag_or_by_refusal() -> None:
    def seen(lags: list[float], refused: float) -> bool:
        return Seen([0.1], [0.1], lags, 10, (refused, 0), 0, offered=100).saturated

    assert not seen([0.1] * 99 + [9], 0)
    assert seen([0.1] * 90 + [9] * 10, 0)
    assert seen([0.1] * 98, 0.02)
    assert seen([0.1] * 70, 0)  # not refused, and not taken in either
    assert seen([], 0)


def test_percentiles() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, p) for p in (50, 95, 99)] == [51, 96, 100]
    assert percentile([3.0], 99) == 3
    assert percentile([], 50) is None
