"""CPU time of a decoder for a second of a camera, by what the camera sends and how much is taken.

The figures of docs/sizing.md.
"""

from __future__ import annotations

import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av

from benchmarks.clips import RATE, Clip, Kind, film, pictures
from benchmarks.table import Row
from services.decoder.multipart import Multipart
from services.decoder.picture import FrameSize, JpegEncoder
from services.decoder.sampler import Sampler
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from services.decoder.still import StillDecoder

SECONDS = 10
SIZE = FrameSize(384, 384)
QUALITY = 95
BOUNDARY = "picture-of-the-benchmark"
HD, UHD = (1920, 1080), (3840, 2160)
SAMPLED = (0.5, 1.0, 2.0)

KINDS = [
    Kind(codec, *size, group_s, rate)
    for size, rates in ((HD, (4_000_000, 2_000_000)), (UHD, (12_000_000, 6_000_000)))
    for codec, rate in zip(("libx264", "libx265"), rates, strict=True)
    for group_s in (1, 10)
]
B_FRAMES = Kind("libx264", *HD, 10, 4_000_000, b_frames=3)


def run(rounds: int) -> list[Row]:
    """The rows of this module, in seconds of CPU for a second of video."""
    repeats = max(1, rounds // 4)
    rows: list[Row] = []
    for kind in KINDS:
        rows += _of_stream(kind, SAMPLED, repeats)
    rows += _of_stream(B_FRAMES, (1.0,), repeats)
    for size in (HD, UHD):
        rows += _of_stills(size, repeats)
    return rows


def _of_stream(kind: Kind, sampled: tuple[float, ...], repeats: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        clip = film(Path(folder), kind, SECONDS)
        whole_s = min(_cpu_s(clip, 1.0, rests=False) for _ in range(repeats)) / SECONDS
        return [
            Row(
                f"{kind.name}, {fps:g} a second, CPU for a second",
                min(_cpu_s(clip, fps, rests=True) for _ in range(repeats)) / SECONDS,
                "every frame decoded",
                whole_s,
            )
            for fps in sampled
        ]


def _cpu_s(clip: Clip, fps: float, *, rests: bool) -> float:
    """CPU time of reading the measured part, and encoding each sampled frame as JPEG."""
    jpeg = JpegEncoder(SIZE, QUALITY)
    began_s = 0.0
    kept = 0
    with Source(clip.path.as_uri(), DecoderSettings(media_root=clip.path.parent)) as source:
        sampler = Sampler(fps, source.frame_s)
        for frame in source.frames(lambda: None, lambda: None):
            at_s = source.position_s(frame)
            assert at_s is not None
            if at_s >= clip.to_s - source.frame_s / 2:
                took_s = time.process_time() - began_s
                break
            if at_s >= clip.from_s and not began_s:
                began_s = time.process_time()
            if sampler.wants(at_s):
                if began_s:
                    kept += 1
                    jpeg.encode(frame)
                if rests:
                    source.rest(sampler.next_s, slack_s=0.25 / fps)
        else:
            raise RuntimeError("the clip is shorter than it was made")
    if kept != round(SECONDS * fps):
        raise RuntimeError(f"{kept} frames were kept of {SECONDS} seconds")
    return took_s


def _of_stills(size: tuple[int, int], repeats: int) -> list[Row]:
    """Cameras that send single pictures, but for what the network costs."""
    name = "4K" if size == UHD else f"{size[1]}p"
    jpegs = _jpegs(size)
    snapshots = {
        fps: min(_snapshots_s(jpegs, fps) for _ in range(repeats)) / SECONDS for fps in SAMPLED
    }
    whole_s = min(_mjpeg_s(jpegs, 1.0, every=True) for _ in range(repeats)) / SECONDS
    rows = []
    for fps in SAMPLED:
        mjpeg_s = min(_mjpeg_s(jpegs, fps, every=False) for _ in range(repeats)) / SECONDS
        rows += [
            Row(
                f"{name} snapshots, {fps:g} a second, CPU for a second",
                snapshots[fps],
                f"MJPEG with {RATE} pictures a second",
                mjpeg_s,
            ),
            Row(
                f"{name} MJPEG with {RATE} pictures a second, {fps:g} a second",
                mjpeg_s,
                "every picture decoded",
                whole_s,
            ),
        ]
    return rows


def _jpegs(size: tuple[int, int]) -> list[bytes]:
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height = size
    codec.pix_fmt, codec.color_range = "yuv420p", 2
    codec.time_base = Fraction(1, RATE)
    codec.qmin = codec.qmax = 5
    made = []
    for number, picture in enumerate(pictures(*size, RATE)):
        picture.pts, picture.color_range = number, 2
        made += [bytes(packet) for packet in codec.encode(picture)]
    return made


def _snapshots_s(jpegs: list[bytes], fps: float) -> float:
    decoder, encoder = StillDecoder(), JpegEncoder(SIZE, QUALITY)
    began_s = time.process_time()
    for number in range(round(SECONDS * fps)):
        _take(decoder, encoder, jpegs[number % len(jpegs)])
    return time.process_time() - began_s


def _mjpeg_s(jpegs: list[bytes], fps: float, *, every: bool) -> float:
    decoder, encoder, parts = StillDecoder(), JpegEncoder(SIZE, QUALITY), Multipart(BOUNDARY)
    sampler = Sampler(fps, 1 / RATE)
    coded = [
        b"--%b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n"
        % (BOUNDARY.encode(), len(jpeg), jpeg)
        for jpeg in jpegs
    ]
    began_s = time.process_time()
    shown = 0
    for number in range(SECONDS * RATE + 1):
        for part in parts.feed(coded[number % len(coded)]):
            if sampler.wants(shown / RATE):
                _take(decoder, encoder, part.body)
            elif every:
                decoder.decode(part.body)
            shown += 1
    return time.process_time() - began_s


def _take(decoder: StillDecoder, encoder: JpegEncoder, jpeg: bytes) -> None:
    frame = decoder.decode(jpeg)
    if frame is None:
        raise RuntimeError("a picture cannot be decoded")
    encoder.encode(frame)
