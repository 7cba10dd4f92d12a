"""Ten thousand frames: from the first compression on, a memory takes as many bytes as ever."""

from __future__ import annotations

import pytest

from hermes.vlm import VideoMemory
from tests.support import tiny

FRAMES = 10_000
EVERY = 16


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_bytes_do_not_grow() -> None:
    model = tiny.model()
    memory = VideoMemory(model, "hermes", budget=256, compress_every_frames=EVERY)
    pictures = tiny.pictures(EVERY)
    slab = memory.cache.held.slab
    reserved, most, sizes = slab.keys.nbytes + slab.values.nbytes, 0, set()
    for start in range(0, FRAMES, EVERY):
        memory.feed(pictures, [(start + index) * 1000 for index in range(EVERY)])
        coverage = memory.coverage()
        most = max(most, len(coverage.forgotten), len(coverage.gaps))
        if start >= EVERY:
            sizes.add((memory.device_bytes, memory.cache.video_tokens))
    assert sizes == {(256 * model.shape.bytes_per_token, 256)}
    slab = memory.cache.held.slab
    assert slab.keys.nbytes + slab.values.nbytes == reserved
    assert most <= 64
    assert memory.coverage().frames_seen == FRAMES
    assert memory.ask("What happened?", 3)
