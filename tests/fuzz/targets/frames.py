"""What a worker reads from the frame log: chunks, and the pictures in them."""

from __future__ import annotations

from io import BytesIO

import torch
from PIL import Image

from hermes.v1.frames_pb2 import FrameChunk
from services.common.frame_log import LogId
from services.hermes_worker.pictures import MAX_SIDE, BadPicture, decode_jpeg
from tests.fuzz.damage import message_edit
from tests.fuzz.target import Target
from tests.support.chunks import chunk, jpeg
from tests.support.ingest_rig import Rig

CAMERA = "a"


def _chunks() -> list[bytes]:
    first = chunk(CAMERA, 1_000, frames=3)
    second = chunk(CAMERA, 2_000, index=7, live=False, discontinuity=True, dropped_before=2)
    second.frames[0].media_time_ms = 40
    return [first.SerializeToString(), second.SerializeToString()]


def _read_chunk(data: bytes) -> str:
    """Between two good chunks, so that what it leaves behind is met by the next one."""
    rig = Rig()
    rig.gain(CAMERA)
    rig.ingest.step(0.0)
    before, after = _chunks()
    for number, payload in enumerate((before, data, after), 1):
        rig.log.put_raw(CAMERA, LogId(1_000 * number), payload)
    rig.ingest.step(0.0)
    seen = [frame for _, batch in rig.engine.batches for frame in batch.frames]
    assert len(rig.engine.batches) == 3, "every chunk is taken, whatever is in it"
    assert seen[0].stamp.capture_ms == 1_000
    errors = rig.count(CAMERA, "decode_error")
    return f"{len(seen)} {errors:g} {rig.count(CAMERA, 'trimmed') > 0}"


def _pictures() -> list[bytes]:
    image = Image.effect_noise((64, 48), 90)
    made = []
    for mode, options in (
        ("RGB", {}),
        ("L", {}),
        ("CMYK", {}),
        ("RGB", {"progressive": True}),
        ("RGB", {"subsampling": 0, "restart_marker_blocks": 1}),
    ):
        buffer = BytesIO()
        image.convert(mode).save(buffer, "JPEG", **options)
        made.append(buffer.getvalue())
    return [*made, jpeg()]


def _read_picture(data: bytes) -> str:
    try:
        pixels = decode_jpeg(data)
    except BadPicture as error:
        return str(error)[:60]
    assert pixels.dtype == torch.uint8
    assert pixels.ndim == 3
    assert pixels.shape[0] == 3
    assert max(pixels.shape) <= MAX_SIDE
    return f"{tuple(pixels.shape)}"


MARKERS = tuple(
    bytes((0xFF, code)) for code in (0xC0, 0xC2, 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE1)
)

CHUNKS = Target("chunks", _chunks, _read_chunk, (message_edit(FrameChunk),))
PICTURES = Target(
    "pictures", _pictures, _read_picture, words=(*MARKERS, b"\x10\x00\x10\x00", b"Exif\0\0")
)
