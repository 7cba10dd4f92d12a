"""The clips of the decode benchmark are what they are said to be."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import pytest

from benchmarks.clips import LEARNED, RATE, Kind, film
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source


@pytest.mark.parametrize(("codec", "group_s"), [("libx264", 1), ("libx265", 1), ("libx264", 2)])
def test_only_the_measured_part_has_all_its_frames(
    tmp_path: Path, codec: str, group_s: int
) -> None:
    kind = Kind(codec, 128, 96, group_s, 200_000)
    clip = film(tmp_path, kind, 4)
    assert (clip.from_s, clip.seconds) == (LEARNED * group_s, 4)
    with av.open(clip.path) as container:
        packets = [p for p in container.demux(video=0) if p.size and p.pts is not None]
        unit = packets[0].time_base
        times = [float(p.pts * unit) for p in packets if p.pts is not None]
        keys = [float(p.pts * unit) for p in packets if p.is_keyframe and p.pts is not None]
    assert [round(b - a, 3) for a, b in pairwise(keys)] == [group_s] * (len(keys) - 1)
    assert sum(clip.from_s <= t < clip.to_s for t in times) == 4 * RATE
    settings = DecoderSettings(media_root=tmp_path)
    with Source(clip.path.as_uri(), settings) as source:
        assert source.frame_s == pytest.approx(1 / RATE)
        frames = list(source.frames(lambda: None, lambda: pytest.fail("a frame was damaged")))
    assert len(frames) == LEARNED + 4 * RATE + 1
