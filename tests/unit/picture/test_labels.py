"""No label of a picture lies over another, over the plot or outside, whatever the memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from hermes.contents import LayerContents, MemoryContents
from hermes.picture import draw
from hermes.picture.draw import EMPTY, LEFT
from hermes.picture.labels import ELLIPSIS, Area, area_of, fitted, width_of
from hermes.picture.scene import Box, Scene, Text
from tests.support.examples import at_most
from tests.unit.picture.test_picture import NOON, contents

DEJAVU = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
SECOND = 1_000


def labels(scene: Scene) -> list[Text]:
    return [shape for shape in scene.shapes if isinstance(shape, Text)]


def assert_legible(scene: Scene) -> None:
    placed = [(label, area_of(label)) for label in labels(scene)]
    for label, area in placed:
        inside = area.left >= 0 and area.right <= scene.width and area.bottom <= scene.height
        assert inside, label
    for (one, its), (other, others) in combinations(placed, 2):
        assert not its.overlaps(others), (one, other)
    for box in scene.shapes:
        if isinstance(box, Box) and box.fill == EMPTY and box.x == LEFT:
            row = Area(box.x, box.y, box.x + box.width, box.y + box.height)
            assert not any(row.overlaps(area) for _, area in placed)


@settings(max_examples=at_most(60), deadline=None)
@given(
    numbers=st.sets(st.integers(0, 3_000), max_size=30).map(sorted),
    layers=st.sampled_from([1, 2, 3, 10, 28, 80, 126]),
    step=st.sampled_from([1, 40, 500, 1_500, 60_000, 86_400_000]),
    media=st.none() | st.integers(0, 10**8),
    start=st.sampled_from([0, NOON]) | st.integers(0, 2 * 10**12),
    name=st.text(max_size=80),
    policy=st.text(max_size=80),
    budget=st.integers(0, 2**63),
    band=st.sampled_from(["sensory", "long_term", "99", "a band of a newer version"]),
)
def test_labels_never_overlap(
    numbers: list[int],
    layers: int,
    step: int,
    media: int | None,
    start: int,
    name: str,
    policy: str,
    budget: int,
    band: str,
) -> None:
    made = contents(numbers, layers, step)
    times = {number: time - NOON + start for number, time in made.times.items()}
    if media is not None:
        made = replace(made, media={number: media + number * step for number in numbers})
    made = replace(made, times=times, policy=policy, budget=budget)
    assert_legible(draw(made, name))
    first = replace(made.layers[0], band=band)
    assert_legible(draw(replace(made, layers=(first, *made.layers[1:])), name))


@pytest.mark.parametrize("span_s", [1, 2, 7, 30, 59, 61, 600, 3_600, 86_400, 10**7, 10**9])
def test_ticks_of_any_span_have_legible_labels(span_s: int) -> None:
    """The first and the last tick are near the axis's name and the word `newest`."""
    made = contents([0, 1], step=span_s * SECOND)
    scene = draw(made)
    assert_legible(scene)
    assert len([label for label in labels(scene) if label.anchor == "middle"]) >= 3


def test_flat_bands_have_room_for_their_names() -> None:
    """One layer of 126 is seven pixels high, its two lines of text are forty."""
    made = contents([0, 1], layers=126)
    layers = [LayerContents(n, f"band {n}", made.layers[0].frames) for n in range(12)]
    assert_legible(draw(replace(made, layers=tuple(layers))))


printable = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_categories=["Cc"]), max_size=40
)
FONTS: dict[str, Callable[[int], Any]] = {
    "DejaVu Sans": lambda size: ImageFont.truetype(str(DEJAVU), size),
    "Pillow's own": ImageFont.load_default,
}


@pytest.mark.parametrize("font", FONTS)
@given(text=printable)
def test_a_text_is_not_wider_than_is_reckoned(font: str, text: str) -> None:
    drawn = FONTS[font](16).getlength(text)
    assert drawn <= width_of(text, 16) + 1


@given(st.text(max_size=200), st.integers(9, 30), st.floats(12, 500))
def test_a_label_is_made_to_fit(text: str, size: int, room: float) -> None:
    label = fitted(Text(0, 0, text, size, "#000000"), room)
    assert width_of(label.text, label.size) <= room
    assert label.size <= size
    assert text.startswith(label.text.removesuffix(ELLIPSIS))


def of_a_file(media: dict[int, int], captured: dict[int, int], **changes: object) -> MemoryContents:
    made = contents(list(media), tokens=8)
    return replace(made, times=captured, media=media, **changes)  # type: ignore[arg-type]


def told(made: MemoryContents) -> list[str]:
    return [label.text for label in labels(draw(made))]


def test_a_file_has_an_axis_of_its_own_time() -> None:
    """A minute of it was read in two seconds."""
    numbers = list(range(0, 120, 2))
    made = of_a_file(
        {number: number * 500 for number in numbers},
        {number: NOON + number * 16 for number in numbers},
    )
    found = told(made)
    assert "in the file" in found
    assert {"0:10", "0:30", "0:50"} <= set(found)
    assert "half within 29 s" in found
    assert not any("UTC" in text for text in found)


def test_gaps_of_a_file_are_where_they_are_in_the_file() -> None:
    """Frames 0 to 9 and 50 to 59, one a second, were read a hundred times as fast."""
    numbers = [*range(10), *range(50, 60)]
    captured = {number: NOON + number * 10 for number in numbers}
    gap = (NOON + 90, NOON + 500)
    made = of_a_file({n: n * SECOND for n in numbers}, captured, gaps=(gap,))
    hatches = [shape for shape in draw(made).shapes if type(shape).__name__ == "Hatch"]
    (hatch,) = [shape for shape in hatches if shape.height > 100]  # type: ignore[union-attr]
    plain = draw(contents(numbers, gaps=((NOON + 9_000, NOON + 50_000),)))
    assert hatch in plain.shapes


def test_a_file_that_began_again_keeps_its_capture_times() -> None:
    made = of_a_file({0: 0, 1: SECOND, 2: 0}, {0: NOON, 1: NOON + SECOND, 2: NOON + 2 * SECOND})
    assert "2026-01-01 UTC" in told(made)


def test_hours_of_a_file() -> None:
    made = of_a_file({0: 0, 1: 7_200_000}, {0: NOON, 1: NOON + SECOND})
    assert "1:00:00" in told(made)
