"""A memory in a terminal: right in what it shows, whatever the width and the stream."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from hermes.contents import HeldFrame, LayerContents, MemoryContents
from services.cli.memory_picture import ASCII, LABEL, Glyphs, memory_picture, shade
from tests.support.examples import at_most
from tests.unit.picture.test_picture import NOON, contents

WIDTH = LABEL + 60 + 1


def shown(made: MemoryContents, width: int = WIDTH, glyphs: Glyphs | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(memory_picture(made, "lobby", width, glyphs))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def cells(lines: list[str]) -> list[str]:
    """The plot alone: the rows between the heading and the axis."""
    first = lines.index("") + 1
    axis = next(at for at, line in enumerate(lines) if "┬" in line or "──" in line)
    return [line[LABEL:].ljust(WIDTH - LABEL - 1) for line in lines[first:axis]]


def test_frames_are_drawn_at_their_capture_time() -> None:
    """One a second for a minute: the first ten are held whole, the last ten in part."""
    whole = tuple(HeldFrame(number, 16) for number in range(10))
    part = tuple(HeldFrame(number, 4) for number in range(50, 60))
    made = contents([*range(10), *range(50, 60)])
    layers = tuple(LayerContents(layer.number, layer.band, whole + part) for layer in made.layers)
    rows = cells(shown(replace(made, layers=layers)))
    assert rows == ["█" * 10 + " " * 40 + "▒" * 10] * 10


def test_bands_times_and_figures_are_told() -> None:
    lines = shown(contents(list(range(0, 60, 2)), tokens=8, summaries=1))
    text = "\n".join(lines)
    assert lines[0] == "lobby  hermes"
    assert "30 of 59 frames held" in text
    assert "2026-01-01 UTC" in text
    assert "12:00:30" in text
    reported = {line.split()[0]: line.split()[1:] for line in lines if line.endswith(" ago")}
    assert reported == {
        "sensory": ["30", "270", "30", "28", "s", "58", "s", "ago"],
        "working": ["30", "270", "30", "28", "s", "58", "s", "ago"],
        "long-term": ["30", "270", "30", "28", "s", "58", "s", "ago"],
    }
    tick = next(line for line in lines if "┬" in line).rindex("┬")
    label = next(line for line in lines if "12:00:45" in line)
    assert label.index("12:00:45") == tick - 4
    assert tick == LABEL + 45  # 59 seconds on 60 columns


def test_gaps_and_lone_summaries_are_seen() -> None:
    gap = (NOON + 9_000, NOON + 50_000)
    made = contents([*range(10), *range(50, 60)], gaps=(gap,))
    rows = cells(shown(made))
    assert rows == ["▒" * 10 + "/" * 40 + "▒" * 10] * 10
    short = contents(list(range(600)), gaps=((NOON + 300_000, NOON + 301_500),))
    axis = next(line for line in shown(short) if "──" in line)
    assert axis.count("/") == 1
    alone = contents(list(range(60)), tokens=0, summaries=1)
    assert cells(shown(alone)) == ["•" * 60] * 10


def test_many_layers_share_rows() -> None:
    rows = [line for line in shown(contents([0, 1], layers=80)) if "█" in line or "▒" in line]
    labels = [line[:LABEL].split() for line in rows if "of a frame" not in line]
    assert labels[0] == ["sensory", "0-6"]
    assert labels[1] == ["7"]
    assert labels[-1] == ["77-79"]
    assert len(labels) <= 15


def test_the_more_is_held_the_denser() -> None:
    glyphs = Glyphs()
    levels = [glyphs.shades.index(shade(n / 196, glyphs)) for n in range(1, 197)]
    assert levels == sorted(levels)
    assert set(levels) == {0, 1, 2, 3}
    assert shade(1.3, glyphs) == shade(1.0, glyphs) == "█"


def test_nothing_held() -> None:
    assert "nothing is held yet" in shown(contents([]))


@settings(max_examples=at_most(60), deadline=None)
@given(
    numbers=st.sets(st.integers(0, 3_000), max_size=60).map(sorted),
    layers=st.sampled_from([1, 2, 10, 28, 126]),
    step=st.sampled_from([1, 500, 60_000]),
    width=st.integers(42, 200),
    gap=st.none() | st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
)
def test_any_memory_fits_any_terminal(
    numbers: list[int],
    layers: int,
    step: int,
    width: int,
    gap: tuple[int, int] | None,
) -> None:
    gaps = () if gap is None else ((NOON + gap[0], NOON + gap[0] + gap[1]),)
    made = contents(numbers, layers, step, gaps, summaries=1)
    for line in shown(made, width):
        assert len(line) <= width


@pytest.mark.parametrize("width", [42, 60, 80])
def test_a_terminal_that_knows_ascii_alone(width: int) -> None:
    made = contents(list(range(60)), gaps=((NOON, NOON + 5_000),), summaries=1)
    assert all(line.isascii() for line in shown(made, width, ASCII))


@settings(max_examples=at_most(80), deadline=None)
@given(
    numbers=st.sets(st.integers(0, 3_000), min_size=1, max_size=30).map(sorted),
    layers=st.sampled_from([1, 10, 28, 126]),
    step=st.sampled_from([1, 40, 500, 60_000, 86_400_000]),
    width=st.integers(42, 200),
    of_a_file=st.booleans(),
)
def test_labels_are_apart(
    numbers: list[int], layers: int, step: int, width: int, of_a_file: bool
) -> None:
    """Names, numbers and times have a space between them, and none is cut."""
    made = contents(numbers, layers, step)
    if of_a_file:
        made = replace(made, media={number: number * step for number in numbers})
    lines = shown(made, width)
    at = next(at for at, line in enumerate(lines) if "──" in line)
    found = re.match(r"in the file |\d{4}-\d\d-\d\d UTC ", lines[at + 1])
    assert found is not None
    assert found[0].startswith("in") == of_a_file
    times = lines[at + 1][found.end() :].split()
    whole = r"(\d+:)?\d+:\d\d(\.\d)?" if of_a_file else r"\d\d:\d\d(:\d\d(\.\d)?)?|\d\d-\d\d"
    assert all(re.fullmatch(whole, time) for time in times), times
    bands = [line[:LABEL].split() for line in lines[lines.index("") + 1 : at]]
    numbered = [int(n) for band in bands for n in band[-1].split("-")]
    assert numbered[0] == 0
    assert numbered[-1] == layers - 1
    assert {band[0] for band in bands if len(band) == 2} <= {"sensory", "working", "long-term"}


def test_a_file_is_shown_in_its_own_time() -> None:
    """A minute of it was read in a second."""
    numbers = list(range(60))
    made = contents(numbers, step=16)
    lines = shown(replace(made, media={number: number * 1_000 for number in numbers}))
    assert "in the file" in "\n".join(lines)
    assert any("0:30" in line for line in lines)
    figures = next(line for line in lines if line.startswith("working") and "ago" in line)
    assert "59 s ago" in figures


@pytest.mark.parametrize(
    ("width", "heading"),
    [
        (80, "in a layer frames tokens summaries half within oldest"),
        (60, "in a layer frames tokens half within oldest"),
        (42, "in a layer half within oldest"),
    ],
)
def test_figures_leave_out_columns_where_there_is_no_room(width: int, heading: str) -> None:
    numbers = list(range(0, 600, 2))
    lines = shown(contents(numbers, tokens=8, summaries=1), width)
    (found,) = [line for line in lines if line.startswith("in a layer")]
    assert " ".join(found.split()) == heading
    bands = [line for line in lines if line.endswith(" ago")]
    assert [line.split()[0] for line in bands] == ["sensory", "working", "long-term"]


def test_it_says_how_much_of_the_frames_was_new() -> None:
    made = contents(list(range(4)))
    whole = replace(made, frame_tokens=16, taken=dict.fromkeys(range(4), 16))
    assert "were new" not in "\n".join(shown(whole))
    part = replace(whole, taken={0: 16, 1: 1, 2: 1, 3: 6})
    assert "4 of 4 frames held, in whole or in part; 38% of their tokens were new" in " ".join(
        shown(part)
    )
