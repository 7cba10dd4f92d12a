"""The page about ten minutes on a GPU: its commands run here on the CPU, its budgets add up."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

from benchmarks.device import __main__ as benchmark
from benchmarks.device import first_contact
from tests.support.pages import ROOT, blocks

PAGE = "docs/device-session.md"
CONTACT = "benchmarks.device.first_contact"
HERE = {"llava-onevision-7b": "demo", "cuda": "cpu"}


def commands(name: str) -> list[list[str]]:
    """What follows `python -m` in the blocks of this name."""
    (block,) = [block for block in blocks() if block.page == PAGE and block.name == name]
    assert all(words[:2] == ["python", "-m"] for words in block.commands)
    return [words[2:] for words in block.commands]


@pytest.mark.parametrize(
    "name", ["device-session", "device-session-again", "device-session-before"]
)
def test_the_commands_of_first_contact_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for module, *words in commands(name):
        if module == CONTACT:
            there = [HERE.get(word, word) for word in words if word != "--out"]
            there = [word for word in there if not word.startswith("results")]
            assert first_contact.options_of(words)
            assert first_contact.main([*there, "--only", "environment"]) == 0
            assert '"ok": true' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "options_of"),
    [("device-session", benchmark.options_of), ("device-session-long", benchmark.options_of)],
)
def test_the_commands_of_the_benchmark_have_options_that_it_knows(
    name: str, options_of: Callable[[Sequence[str]], object]
) -> None:
    found = [
        options_of(words) for module, *words in commands(name) if module == "benchmarks.device"
    ]
    assert len(found) == 1


def test_quick_takes_fewer_rows_unless_it_is_told_to_take_more() -> None:
    quick, whole = benchmark.options_of(["--quick"]), benchmark.options_of([])
    for name in ("frames", "cameras", "loads"):
        assert len(getattr(quick, name)) < len(getattr(whole, name))
    assert quick.seconds < whole.seconds
    assert quick.budget_s < 240 < whole.budget_s
    assert benchmark.options_of(["--quick", "--loads", "3"]).loads == [3]


def test_the_tests_that_the_page_names_are_there() -> None:
    (tests,) = [words for module, *words in commands("device-session-long") if module == "pytest"]
    assert all((ROOT / path).is_file() for path in tests)


def test_the_budgets_are_ten_minutes() -> None:
    text = (ROOT / PAGE).read_text()
    budgets = [int(found) for found in re.findall(r"^\| .* \| (\d+) s \|", text, re.M)]
    assert len(budgets) == len(commands("device-session")) + 1
    assert sum(budgets) == 600
    assert budgets[2] <= 240  # of --quick


def test_every_stage_is_on_the_page() -> None:
    text = (ROOT / PAGE).read_text()
    told = {stage.__name__ for stage in first_contact.STAGES} - {"model"}
    assert all(f"`{name}`" in text for name in told)
