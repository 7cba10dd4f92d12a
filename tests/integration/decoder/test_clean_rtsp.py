"""Cameras over RTSP that were joined between two key frames, or have none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from tests.integration.decoder.conftest import RtspServer
from tests.support import hurt

WANTED = 60
IDR_SLICE = b"\0\0\1\x65"


@pytest.mark.parametrize("name", ["h264", pytest.param("h264-refresh", marks=pytest.mark.slow)])
@pytest.mark.usefixtures("_gstreamer")
def test_only_whole_frames_are_taken(tmp_path: Path, name: str) -> None:
    """The film begins in the middle of a group, and begins again like this when it has ended."""
    film = hurt.film(tmp_path / "film.h264", name)
    truth = np.stack(hurt.shown(film)).astype(np.int16)
    joined = hurt.changed(film, tmp_path / "joined.h264", hurt.joined)
    data = film.read_bytes()
    # A camera tells its parameters before the stream begins.
    joined.write_bytes(data[: data.index(IDR_SLICE)] + joined.read_bytes())
    server = RtspServer(joined)
    taken = 0
    try:
        with Source(server.url(), DecoderSettings()) as source:
            for frame in source.frames(lambda: None, lambda: None):
                off = np.abs(truth - hurt.luma(frame)).mean(axis=(1, 2))
                assert off.min() <= 1.0, f"after {taken} frames"
                taken += 1
                if taken == WANTED:
                    break
    finally:
        server.kill()
    assert taken == WANTED
