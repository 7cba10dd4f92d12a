"""What fuzzing once found is found no more; and the fuzzer finds what is there to be found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import __main__ as fuzzing
from tests.fuzz import target as trying
from tests.fuzz.target import CASES, Fault, Target, attempt
from tests.fuzz.targets import TARGETS

KEPT = [
    pytest.param(target, case, id=f"{target.name}-{case.name}")
    for target in TARGETS.values()
    for case in target.cases
]


@pytest.mark.parametrize(("target", "case"), KEPT)
def test_what_was_found_is_mended(target: Target, case: Path) -> None:
    answer = attempt(target, case.read_bytes())
    assert isinstance(answer, str), answer.text


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_good_inputs_are_read(target: Target) -> None:
    for data in target.seeds():
        assert isinstance(attempt(target, data), str)


def test_cases_belong_to_targets() -> None:
    assert {folder.name for folder in CASES.iterdir()} <= set(TARGETS)


def wrong(data: bytes) -> str:
    if data[:1] == b"!":
        raise KeyError("who checks this?")
    return "fine"


def slow(data: bytes) -> str:
    while data[:1] == b"!":
        pass
    return "fine"


def greedy(data: bytes) -> str:
    return str(len(bytearray(2 << 20)) if data[:1] == b"!" else 0)


@pytest.mark.parametrize(
    ("read", "kind"), [(wrong, "KeyError"), (slow, "Hang"), (greedy, "Growth")]
)
def test_a_fault_is_found_and_kept(
    read: Callable[[bytes], str],
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(trying, "HANG_S", 0.05)
    monkeypatch.setattr(fuzzing, "GROWTH_BYTES", 1 << 20)
    monkeypatch.setattr(fuzzing, "WARM", 1)
    monkeypatch.setattr(fuzzing, "CASES", tmp_path / "a" / "b" / "cases")
    sizes = iter(range(0, 1 << 40, 1 << 19)) if kind == "Growth" else iter(lambda: 0, 1)
    monkeypatch.setattr(fuzzing, "peak_bytes", lambda: next(sizes))
    target = Target("made-up", lambda: [b"good"], read, words=(b"!",))
    found = fuzzing.fuzz(target, 0.5, seed=1)
    assert [fault.kind for fault in found] == [kind]
    assert isinstance(found[0], Fault)
    assert "made-up: " in capsys.readouterr().out
    (kept,) = (tmp_path / "a" / "b" / "cases" / "made-up").iterdir()
    assert kept.name.startswith(kind)
    if kind != "Growth":
        assert kept.read_bytes()[:1] == b"!"
