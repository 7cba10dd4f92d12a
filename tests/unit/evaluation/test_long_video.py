"""A video of ten hours takes no more memory than one of minutes."""

from __future__ import annotations

import gc
from pathlib import Path

import psutil
import pytest

from hermes.evaluation.item import Video
from hermes.evaluation.settings import RunSettings
from tests.support import tiny
from tests.support.evaluation import MadeUp, Reel, item, run

HOURS = 10
MOST_GROWTH = 48 * 2**20
"""Bytes: what allocators keep back."""


def check_flat(tmp_path: Path, fps: float, policies: tuple[str, ...]) -> None:
    """Asked at the end of each hour: memories have one size, and so does the process."""
    settings = RunSettings(
        policies=policies,
        budgets=(96,),
        fps=fps,
        prompt="choices",
        probabilities=False,
        max_tokens=1,
        compress_every_frames=4,
    )
    seconds = HOURS * 3600
    items = [item(str(hour), 3600.0 * hour) for hour in range(1, HOURS + 1)]
    benchmark = MadeUp([Video("v", Path("v"), tuple(items))])
    process = psutil.Process()
    sizes: list[int] = []

    def noted(name: str, done: float, whole: float) -> None:
        if done >= seconds * (0.1 + 0.2 * len(sizes)):
            gc.collect()
            sizes.append(process.memory_info().rss)

    reel = Reel(v={"seconds": seconds + 1 / fps})
    found = run(tiny.model(), benchmark, settings, tmp_path / "r", reel, on_progress=noted)
    assert found.videos[0]["frames"] == round(seconds * fps)
    assert len(sizes) >= 4
    assert max(sizes[1:]) - sizes[0] < MOST_GROWTH
    for policy in policies:
        own = [one for one in found.answers if one.policy == policy]
        assert [one.text is not None for one in own] == [True] * HOURS
        held = {(one.device_bytes > 0, one.host_bytes) for one in own}
        assert len(held) == 1
        most = max(one.read for one in own)
        assert most <= 96 + 4 * tiny.model().layout.tokens + tiny.model().layout.tokens


def test_ten_hours_in_a_few_pictures(tmp_path: Path) -> None:
    check_flat(tmp_path, 1 / 360, ("hermes", "last-frames"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_hours(tmp_path: Path) -> None:
    check_flat(tmp_path, 1 / 20, ("hermes", "hermes-changes", "last-frames", "uniform"))
