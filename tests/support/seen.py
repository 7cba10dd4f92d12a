"""What a worker sees of a clip: read, encoded and decoded again as the services do it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.decoder.corrections import NO_CORRECTIONS, Corrections
from services.decoder.picture import FrameSize, JpegEncoder
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from services.hermes_worker.pictures import decode_jpeg

Picture = NDArray[np.uint8]


def decoder_settings(path: Path) -> DecoderSettings:
    """Those of a decoder that may read this file."""
    return DecoderSettings(media_root=path.parent)


def seen(
    path: Path, size: str = "64x64", corrections: Corrections = NO_CORRECTIONS
) -> list[Picture]:
    """Every frame of a file as [height, width, 3], RGB."""
    pictures: list[Picture] = []
    encoder = JpegEncoder(FrameSize.parse(size), 95, corrections)

    def on_error() -> None:
        raise AssertionError("a frame was damaged")

    with Source(path.as_uri(), decoder_settings(path), corrections) as source:
        for frame in source.frames(lambda: None, on_error):
            jpeg = encoder.encode(frame, source.pixel_aspect(frame))
            pictures.append(decode_jpeg(jpeg).permute(1, 2, 0).numpy())
    return pictures
