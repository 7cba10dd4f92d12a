"""The picture shows which frames are held in which layer, for streams of any length."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hermes.contents import HeldFrame, LayerContents, MemoryContents
from hermes.errors import InvalidInput
from hermes.picture import draw, save, to_png, to_svg
from hermes.picture.axis import TimeAxis, day, duration, frame_ms
from hermes.picture.draw import EMPTY, SUMMARY, colour
from hermes.picture.files import hatched
from hermes.picture.scene import Box, Dot, Hatch, Text
from tests.support.examples import at_most

NOON = 1_767_268_800_000


def contents(
    numbers: list[int],
    layers: int = 10,
    step: int = 1_000,
    gaps: tuple[tuple[int, int], ...] = (),
    tokens: int = 4,
    summaries: int = 0,
) -> MemoryContents:
    frames = tuple(HeldFrame(number, tokens, summaries) for number in numbers)
    bands = ["sensory"] * (layers // 10) + ["working"] * (layers * 7 // 10 - layers // 10)
    bands += ["long_term"] * (layers - len(bands))
    held = sum(frame.tokens + frame.summaries for frame in frames)
    return MemoryContents(
        policy="hermes",
        budget=100,
        tokens=held,
        bytes=held * 1024,
        frame_tokens=16,
        frames_seen=numbers[-1] + 1 if numbers else 0,
        times={number: NOON + number * step for number in numbers},
        gaps=gaps,
        layers=tuple(LayerContents(n, band, frames) for n, band in enumerate(bands)),
    )


def cells(of: MemoryContents, shade: str) -> list[Box]:
    return [s for s in draw(of).shapes if isinstance(s, Box) and s.fill == shade and s.height > 15]


def test_frames_are_drawn_at_their_capture_time() -> None:
    found = cells(contents([0, 1, 8, 9]), colour(4 / 16))
    assert len(found) == 10 * 4
    row = found[:4]
    width = row[1].x - row[0].x
    assert row[2].x - row[0].x == pytest.approx(8 * width)
    assert row[0].width == pytest.approx(width - 0.5)
    # shallow layers are on top
    assert [box.y for box in found] == sorted(box.y for box in found)


def test_frames_are_darker_the_more_of_them_is_held() -> None:
    shades = [colour(n / 196) for n in range(197)]
    grey = [sum(int(shade[i : i + 2], 16) for i in (1, 3, 5)) for shade in shades]
    assert grey == sorted(grey, reverse=True)
    assert shades[1] != EMPTY
    assert len(set(shades)) > 20


def test_many_frames_are_averaged_into_columns() -> None:
    """Every tenth of 20,000 frames is held whole: a tenth of every column is."""
    found = contents(list(range(0, 20_000, 10)), tokens=16)
    boxes = [s for s in draw(found).shapes if isinstance(s, Box) and s.fill == colour(0.1)]
    plot = next(s for s in draw(found).shapes if isinstance(s, Box) and s.fill == EMPTY)
    assert sum(box.width for box in boxes) > 0.5 * 10 * plot.width
    assert len(to_svg(found)) < 500_000


def test_gaps_summaries_bands_and_names_are_there() -> None:
    gap = (NOON + 3_000, NOON + 60_000)
    made = contents([0, 1, 2, 3, 60, 61], gaps=(gap,), summaries=1)
    shapes = draw(made, "lobby").shapes
    (hatch,) = [s for s in shapes if isinstance(s, Hatch) and s.height > 100]
    boxes = cells(made, colour(4 / 16))
    assert not any(box.x + box.width > hatch.x and box.x < hatch.x + hatch.width for box in boxes)
    dots = [s for s in shapes if isinstance(s, Dot) and s.fill == SUMMARY]
    assert len(dots) == 10 * 6 + 1  # one in the legend
    texts = {s.text for s in shapes if isinstance(s, Text)}
    assert {"Memory of lobby", "sensory", "working", "long-term", "2026-01-01 UTC"} <= texts
    assert {"layer 0", "layers 1 to 6", "layers 7 to 9", "12:00:30", "6 frames"} <= texts
    assert any("6 of 62 frames held" in text for text in texts)


@settings(max_examples=at_most(30), deadline=None)
@given(
    numbers=st.sets(st.integers(0, 3_000), max_size=60).map(sorted),
    layers=st.sampled_from([1, 2, 10, 28, 80]),
    step=st.sampled_from([1, 500, 60_000]),
    name=st.text(max_size=20),
)
def test_any_memory_can_be_drawn(numbers: list[int], layers: int, step: int, name: str) -> None:
    made = contents(numbers, layers, step)
    scene = draw(made, name)
    for shape in scene.shapes:
        if isinstance(shape, Box):
            assert shape.x >= 0
            assert shape.x + shape.width <= scene.width
            assert shape.y + shape.height <= scene.height


@pytest.mark.parametrize("name", ["<b> & co", "dock"])
def test_files(tmp_path: Path, name: str) -> None:
    made = contents([0, 1, 5], gaps=((NOON + 1_000, NOON + 5_000),), summaries=1)
    save(made, tmp_path / "a.svg", name)
    save(made, tmp_path / "a.PNG", name)
    tree = ElementTree.fromstring((tmp_path / "a.svg").read_text())
    assert f"Memory of {name}" in [element.text for element in tree.iter()]
    with Image.open(tmp_path / "a.PNG") as image:
        assert image.size == (2 * int(tree.attrib["width"]), 2 * int(tree.attrib["height"]))
        assert len(image.convert("RGB").getcolors(1 << 20) or []) > 20
    with pytest.raises(InvalidInput, match="neither"):
        save(made, tmp_path / "a.gif")


def test_nothing_held() -> None:
    assert "nothing is held yet" in to_svg(contents([]))
    assert Image.open(io.BytesIO(to_png(contents([])))).size[0] == 2560


def test_hatching_stays_inside() -> None:
    for line in hatched(Hatch(10, 20, 50, 30, "#000000", "#ffffff")):
        assert all(10 <= x <= 60 for x in line[::2])
        assert all(20 <= y <= 50 for y in line[1::2])


@settings(max_examples=at_most(100), deadline=None)
@given(st.integers(-(10**12), 2 * 10**12), st.integers(1, 10**10))
def test_ticks_are_few_and_round(start: int, span: int) -> None:
    axis = TimeAxis(start, start + span, 100, 1_000)
    ticks = axis.ticks()
    assert len(ticks) <= 12
    assert all(100 <= x <= 1_100 for x, _ in ticks)
    assert [x for x, _ in ticks] == sorted({x for x, _ in ticks})


def test_times() -> None:
    assert [label for _, label in TimeAxis(NOON, NOON + 65_000, 0, 100).ticks()] == [
        "12:00:00", "12:00:10", "12:00:20", "12:00:30", "12:00:40", "12:00:50", "12:01:00",
    ]  # fmt: skip
    assert day(NOON) == "2026-01-01"
    assert day(5_000) == ""
    spoken = [2_500, 59_000, 61_000, 3_700_000, 90_000_000]
    assert [duration(ms) for ms in spoken] == ["2.5 s", "59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]
    assert frame_ms(contents([0, 4, 8], step=500)) == 500
    assert frame_ms(contents([7])) == 1_000
