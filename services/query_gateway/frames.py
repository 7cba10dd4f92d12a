"""Pictures of a camera: of the frames that its memory holds, and of the newest one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from hermes.errors import CameraNotReady
from hermes.frame_query import query_of
from hermes.v1.camera_pb2 import CameraServiceSnapshotResponse
from hermes.v1.memory_pb2 import FramePicture, FrameQuery
from services.common import tracing
from services.common.cameras import check_id
from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.router import Router

RETRY_AFTER_S = 1.0


class Frames:
    """Fetches pictures from the camera's worker. Each call counts as an open question."""

    def __init__(self, router: Router, open_questions: OpenQuestions) -> None:
        self._router = router
        self._open_questions = open_questions

    async def list(self, query: FrameQuery, deadline: float) -> AsyncGenerator[FramePicture, None]:
        """Yield the frames, one at a time: as fast as they are read. Raises `HermesError`.

        `deadline`: a time of the running loop's clock.
        """
        check_id(query.camera_id, "query.camera_id")
        query_of(query)
        tracing.note(camera=query.camera_id)
        with self._open_questions.enter():
            async with aclosing(self._router.frames(query, deadline)) as frames:
                async for frame in frames:
                    yield frame

    async def newest(self, camera_id: str, deadline: float) -> CameraServiceSnapshotResponse:
        """The picture of the newest frame that memory has taken in. Raises `HermesError`."""
        check_id(camera_id)
        query = FrameQuery(camera_id=camera_id, limit=1, newest_first=True)
        async with aclosing(self.list(query, deadline)) as frames:
            async for frame in frames:
                if frame.jpeg:
                    found = CameraServiceSnapshotResponse(captured=frame.captured, jpeg=frame.jpeg)
                    if frame.HasField("media"):
                        found.media.CopyFrom(frame.media)
                    return found
        raise CameraNotReady(
            f"no picture of camera {camera_id!r} is kept yet: one comes with the next frame",
            RETRY_AFTER_S,
        )
