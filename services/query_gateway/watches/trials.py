"""Trials: asks a watch of each of its cameras now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from google.protobuf.duration_pb2 import Duration

from hermes.errors import HermesError, InvalidInput, Retryable
from hermes.question import MAX_EVIDENCE_FRAMES
from hermes.statuses import code_of
from hermes.v1.query_pb2 import CameraError, EvidenceRequest
from hermes.v1.watch_pb2 import Watch, WatchServiceTryResponse
from services.common import logs
from services.common.redaction import redact
from services.common.rpc import INTERNAL_MESSAGE
from services.common.watch_rules import covers
from services.query_gateway.access.scopes import Action
from services.query_gateway.access.viewer import Viewer
from services.query_gateway.directory import Directory
from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.router import Router

log = logs.get(__name__)

MOST_CAMERAS = 256
AT_A_TIME = 16


class Trials:
    """Sends a watch to the workers of its cameras. Each evaluation counts as an open question."""

    def __init__(self, router: Router, directory: Directory, open_questions: OpenQuestions) -> None:
        self._router = router
        self._directory = directory
        self._open_questions = open_questions

    async def run(
        self, watch: Watch, evidence: EvidenceRequest, viewer: Viewer, deadline: float
    ) -> AsyncIterator[WatchServiceTryResponse]:
        """Yield one result a camera, as they come.

        `watch`: one that was checked. `deadline`: a time of the running loop's clock.
        Raises `InvalidInput` if no camera can be asked, or too many.
        """
        if evidence.frames > MAX_EVIDENCE_FRAMES:
            raise InvalidInput("evidence.frames", f"at most {MAX_EVIDENCE_FRAMES} are allowed")
        cameras = await self._cameras(watch, viewer)
        room = asyncio.Semaphore(AT_A_TIME)
        tasks = [
            asyncio.create_task(self._one(watch, camera_id, evidence, deadline, room))
            for camera_id in cameras
        ]
        try:
            for next_done in asyncio.as_completed(tasks):
                yield await next_done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _cameras(self, watch: Watch, viewer: Viewer) -> list[str]:
        registered = await self._directory.cameras()
        meant = sorted(
            camera.id
            for camera in registered.values()
            if covers(watch, camera)
            and viewer.may_read(camera.id)
            and viewer.may(Action.WATCH, camera.id)
        )
        if not meant:
            raise InvalidInput("watch.cameras", "means no registered camera that you may watch")
        if len(meant) > MOST_CAMERAS:
            raise InvalidInput(
                "watch.cameras", f"means {len(meant)} cameras; {MOST_CAMERAS} can be tried at once"
            )
        return meant

    async def _one(
        self,
        watch: Watch,
        camera_id: str,
        evidence: EvidenceRequest,
        deadline: float,
        room: asyncio.Semaphore,
    ) -> WatchServiceTryResponse:
        try:
            async with room:
                with self._open_questions.enter():
                    found = await self._router.evaluate(watch, camera_id, evidence, deadline)
        except HermesError as error:
            return WatchServiceTryResponse(camera_id=camera_id, error=camera_error(error))
        except Exception:
            log.exception("trial_failed", camera=camera_id)
            hidden = HermesError(INTERNAL_MESSAGE)
            return WatchServiceTryResponse(camera_id=camera_id, error=camera_error(hidden))
        return WatchServiceTryResponse(
            camera_id=camera_id,
            evaluation=found.evaluation,
            evidence=found.evidence if found.HasField("evidence") else None,
        )


def camera_error(error: HermesError) -> CameraError:
    """Why one camera does not answer."""
    code: int = code_of(error).value[0]
    said = CameraError(code=code, reason=error.reason, message=redact(str(error)))
    if isinstance(error, Retryable):
        retry_after = Duration()
        retry_after.FromMilliseconds(int(error.retry_after_s * 1000))
        said.retry_after.CopyFrom(retry_after)
    return said
