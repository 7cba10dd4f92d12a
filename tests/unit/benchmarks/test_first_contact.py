"""The first run on a device, here on the CPU: the same stages, the same lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.device import against_fp32, first_contact
from benchmarks.device.first_contact import Contact, Skipped, Wrong, main, run

CPU = torch.device("cpu")


def lines(text: str) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    return {line["stage"]: line for line in found}


RECORDED = Contact.recorded.__name__
OTHERS = [stage.__name__ for stage in first_contact.STAGES if stage.__name__ != RECORDED]
SMALL = ["--layers", "1", "--cameras", "1"]


def test_every_stage_runs_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--out", str(tmp_path), "--only", *OTHERS]) == 0
    found = lines(capsys.readouterr().out)
    assert list(found) == OTHERS
    assert all(line["ok"] for line in found.values())
    assert lines((tmp_path / "first_contact.jsonl").read_text()) == found
    assert found["question"]["ttft_ms"] > 0
    assert found["frames"]["1"] > 0


@pytest.mark.slow
def test_recorded_passes_say_what_packed_ones_say(capsys: pytest.CaptureFixture[str]) -> None:
    """Interpreted kernels are slow; tests/unit/engine/test_question_pass.py compares more."""
    assert main([*SMALL, "--only", RECORDED]) == 0
    found = lines(capsys.readouterr().out)[RECORDED]
    if "skipped" not in found:
        assert found["packed"] == found["recorded"]
        assert found["error"] < 1e-3


def test_a_stage_that_fails_stops_only_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(contact: Contact) -> dict[str, Any]:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 7 GiB")

    stages = (Contact.environment, broken, Contact.rotation)
    monkeypatch.setattr(first_contact, "STAGES", stages)
    assert main(["--out", str(tmp_path)]) == 1
    found = lines(capsys.readouterr().out)
    assert [found[stage.__name__]["ok"] for stage in stages] == [True, False, True]
    assert found["broken"]["error"] == "OutOfMemoryError: CUDA out of memory."
    assert found["broken"]["at"].startswith("test_first_contact.py:")


def test_what_is_wrong_or_cannot_be_done_is_said() -> None:
    def wrong() -> dict[str, Any]:
        raise Wrong("off by 3")

    def skipped() -> dict[str, Any]:
        raise Skipped("no Triton here")

    assert run("a", wrong, CPU)["error"] == "off by 3"
    assert run("b", skipped, CPU)["ok"] is True
    assert run("b", skipped, CPU)["skipped"] == "no Triton here"


def test_what_nothing_was_written_to_is_poisoned() -> None:
    """A kernel that reads what it should not gives NaN, which is infinitely far from anything."""
    with against_fp32.poisoned():
        assert torch.empty(9).isnan().all()
    assert not torch.are_deterministic_algorithms_enabled()
    heads = against_fp32.Heads(6, 2, 16, 1, 40, torch.float32, CPU)
    slab = against_fp32.slab_of(heads, 30)
    assert slab.keys[:, :, 30:].isnan().all()
    assert not slab.keys[:, :, :30].isnan().any()
    assert against_fp32.error(slab.keys, torch.ones_like(slab.keys)) == float("inf")


def test_an_error_of_a_percent_is_seen() -> None:
    expected = torch.randn(100)
    assert against_fp32.error(expected * 1.02, expected) == pytest.approx(0.02, rel=1e-3)
