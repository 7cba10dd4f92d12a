"""Checks log entries. A log may hold anything that can be parsed."""

from __future__ import annotations

from hermes.v1.frames_pb2 import Frame, FrameChunk
from services.common.camera_status import MAX_TIME_MS

MAX_COUNT = 2**53
"""Largest plausible index, epoch or count: a thousand years of frames at any rate."""


def fault_of(chunk: FrameChunk) -> str:
    """Why this chunk cannot be read, or "" if it can.

    A number out of its range would get into cursors, statuses and snapshots, and
    fail there in every round, far from its cause.
    """
    counts = {
        "epoch": chunk.epoch,
        "first_frame_index": chunk.first_frame_index,
        "dropped_before": chunk.dropped_before,
    }
    for name, count in counts.items():
        if count + len(chunk.frames) > MAX_COUNT:
            return f"{name} is {count}"
    for frame in chunk.frames:
        if fault := _frame_fault(frame):
            return fault
    return ""


def _frame_fault(frame: Frame) -> str:
    if not 0 <= frame.capture_time_ms <= MAX_TIME_MS:
        return f"capture_time_ms is {frame.capture_time_ms}"
    if frame.HasField("media_time_ms") and not 0 <= frame.media_time_ms <= MAX_TIME_MS:
        return f"media_time_ms is {frame.media_time_ms}"
    return ""
