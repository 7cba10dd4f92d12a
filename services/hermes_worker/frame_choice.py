"""Which of a camera's frames are shown, and how they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from operator import attrgetter

from hermes.frame_query import FrameQuery
from hermes.v1.memory_pb2 import FramePicture
from services.hermes_worker.kept_pictures import KeptFrame
from services.hermes_worker.least_missed import least_missed


def chosen(frames: Sequence[KeptFrame], query: FrameQuery) -> list[KeptFrame]:
    """The frames that the query asks for, in its order. `frames`: oldest first.

    Of more than the limit, those whose pictures are kept come before the others.
    """
    found = [frame for frame in frames if query.covers(frame.capture_ms)]
    if query.limit and len(found) > query.limit:
        shown = _some([frame for frame in found if frame.bytes], query.limit, query)
        others = [frame for frame in found if not frame.bytes]
        shown += _some(others, query.limit - len(shown), query)
        found = sorted(shown, key=attrgetter("number"))
    return found[::-1] if query.newest_first else found


def _some(frames: list[KeptFrame], count: int, query: FrameQuery) -> list[KeptFrame]:
    if len(frames) <= count:
        return frames
    if query.newest_first or count == 0:
        return frames[len(frames) - count :]
    order = least_missed([frame.capture_ms for frame in frames], [1.0] * len(frames))
    left_out = set(islice(order, len(frames) - count))
    return [frame for at, frame in enumerate(frames) if at not in left_out]


def picture_message(frame: KeptFrame, jpeg: bytes | None) -> FramePicture:
    """A frame on its way. `jpeg`: None if only the frame itself was asked for."""
    message = FramePicture(
        frame=frame.number,
        jpeg=jpeg or b"",
        bytes=frame.bytes if jpeg is None else len(jpeg),
    )
    message.captured.FromMilliseconds(frame.capture_ms)
    if frame.media_ms is not None:
        message.media.FromMilliseconds(frame.media_ms)
    return message
