"""The curves of the quality benchmark are legible, and are drawn again from recorded figures."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot

from benchmarks.quality import curves
from benchmarks.quality.__main__ import AGES
from benchmarks.quality.score import Verdict
from hermes.evaluation.share import Share

NAMES = ("hermes", "hermes-paper", "sliding-window", "uniform", "last-frames")
shares = st.builds(
    lambda right, more: Share(right, right + more), st.integers(0, 50), st.integers(1, 50)
)
rows = st.lists(shares, min_size=len(AGES) - 1, max_size=len(AGES) - 1)


@settings(max_examples=5, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(NAMES, rows)))
def test_no_word_lies_over_a_curve(tmp_path_factory: Any, found: dict[str, list[Share]]) -> None:
    kept: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyplot, "close", kept.append)
        curves.against_age(found, AGES, 12, tmp_path_factory.mktemp("curves") / "age.png")
    (figure,) = kept
    (axes,) = figure.axes
    words = [*axes.texts, axes.title, *axes.get_legend().get_texts()]
    areas = [word.get_window_extent() for word in words]
    for line in axes.lines:
        path = line.get_transform().transform_path(line.get_path())
        assert not any(path.intersects_bbox(area, filled=False) for area in areas)
    told = [word.get_text() for word in axes.get_legend().get_texts()]
    assert sorted(told) == sorted([*NAMES, "budget: 12 frames"])
    pyplot.close(figure)


def test_recorded_figures_are_the_measured_ones(tmp_path: Path) -> None:
    verdicts = [
        Verdict("first", (low + high) / 2, right)
        for low, high in pairwise(AGES)
        for right in (True, False, True)
    ]
    measured = curves.by_age({"hermes": verdicts, "no style": verdicts}, AGES)
    assert measured == {"hermes": [Share(2, 3)] * (len(AGES) - 1)}
    curves.record(measured, tmp_path / "age.json")
    assert curves.recorded(tmp_path / "age.json") == measured
