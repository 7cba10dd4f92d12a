"""CPU time of a decoder that samples one frame a second from a 1080p25 camera."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import av
import numpy as np

from benchmarks.table import Row
from services.decoder.picture import FrameSize, JpegEncoder
from services.decoder.sampler import Sampler
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source

WIDTH, HEIGHT, RATE = 1920, 1080, 25
SECONDS = 12
SIDE = 384

CLIPS = {
    "a key frame each second": {"g": str(RATE), "bf": "0"},
    "a key frame in 12 s": {"g": str(SECONDS * RATE), "bf": "0"},
    "a key frame in 12 s, B-frames": {"g": str(SECONDS * RATE), "bf": "3"},
}


def run(rounds: int) -> list[Row]:
    """The rows of this module, in seconds of CPU for a second of video."""
    with tempfile.TemporaryDirectory() as folder:
        return [_row(Path(folder), label, options, rounds) for label, options in CLIPS.items()]


def _row(folder: Path, label: str, options: dict[str, str], rounds: int) -> Row:
    path = _film(folder / "clip.mp4", options)
    ours, alternative = [], []
    for _ in range(max(1, rounds // 2)):
        ours.append(_cpu_s(path, rests=True))
        alternative.append(_cpu_s(path, rests=False))
    return Row(
        f"decoding, 1080p25, a frame a second, {label}, CPU per second",
        min(ours) / SECONDS,
        "every frame decoded",
        min(alternative) / SECONDS,
    )


def _film(path: Path, options: dict[str, str]) -> Path:
    """A moving scene with sensor noise."""
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    wall = ((x // 4 + y // 6) % 200).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 12, (4, HEIGHT, WIDTH), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264",
            rate=RATE,
            options={"preset": "veryfast", "crf": "26", "sc_threshold": "0", **options},
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(SECONDS * RATE):
            grey = np.roll(wall, 3 * number, axis=1) + noise[number % 4]
            picture = av.VideoFrame.from_ndarray(grey, format="gray8").reformat(format="yuv420p")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def _cpu_s(path: Path, *, rests: bool) -> float:
    """CPU time of reading it once and encoding each sampled frame as JPEG."""
    began = time.process_time()
    jpeg = JpegEncoder(FrameSize(SIDE, SIDE), 90)
    kept = 0
    with Source(path.as_uri(), DecoderSettings(media_root=path.parent)) as source:
        sampler = Sampler(1.0, source.frame_s)
        for frame in source.frames(lambda: None, lambda: None):
            at_s = source.position_s(frame)
            if at_s is not None and sampler.wants(at_s):
                kept += 1
                jpeg.encode(frame)
                if rests:
                    source.rest(sampler.next_s, slack_s=0.75 * source.frame_s)
    if kept != SECONDS:
        raise RuntimeError(f"{kept} frames were kept of {SECONDS} seconds")
    return time.process_time() - began
