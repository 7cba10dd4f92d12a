"""Chunks of made-up frames, as small as they can be."""

from __future__ import annotations

from hermes.v1.frames_pb2 import Frame, FrameChunk


def chunk(camera_id: str, *times_ms: int, payload: bytes = b"jpeg") -> FrameChunk:
    """A chunk of one frame for each capture time."""
    frames = [Frame(jpeg=payload, capture_time_ms=time_ms) for time_ms in times_ms]
    return FrameChunk(camera_id=camera_id, frames=frames)
