"""Pictures of cameras: the newest frame, and those that memory holds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hermes.client import AsyncHermesClient, FramePicture
from services.web.callers import Client, Timeout
from services.web.leaving import while_there
from services.web.moments import moment_of, time_of
from services.web.problems import documented
from services.web.replies import CHECK_FIRST, FOR_EVER, JPEG, described, picture, reply
from services.web.rest.cameras import CameraId

router = APIRouter(prefix="/api/v1", tags=["Pictures"], responses=documented(404))
A_JPEG: dict[int | str, dict[str, Any]] = {
    200: described(JPEG, "A JPEG"),
    304: {"description": "The client has it"},
}


class Frame(BaseModel):
    """A frame of which memory holds something. `url`: its picture; null if it is not kept."""

    captured: datetime
    number: int | None
    media_s: float | None
    bytes: int
    url: str | None


class FrameList(BaseModel):
    """Frames, oldest first unless the newest were asked for first."""

    frames: list[Frame]


@router.get("/cameras/{camera_id}/snapshot.jpg", responses=A_JPEG, response_class=Response)
async def snapshot(request: Request, client: Client, camera_id: CameraId) -> Response:
    """The picture of the newest frame that the camera's memory has taken in."""
    newest = await while_there(request.receive, client.snapshot(camera_id))
    return picture(request, newest.jpeg, str(ms_of(newest.captured)), captured=newest.captured)


@router.get("/cameras/{camera_id}/frames", response_model=FrameList)
async def list_frames(
    request: Request,
    client: Client,
    timeout_s: Timeout,
    camera_id: CameraId,
    from_: Annotated[str | None, Query(alias="from", description="ISO 8601")] = None,
    to: Annotated[str | None, Query(description="ISO 8601")] = None,
    limit: Annotated[
        int, Query(ge=0, lt=2**32, description="At most so many, spread over the time; 0: all")
    ] = 0,
    newest_first: bool = False,
) -> Response:
    """The frames of which the camera's memory holds something."""
    stream = client.frames(
        camera_id,
        start=None if from_ is None else moment_of(from_, "from"),
        end=None if to is None else moment_of(to, "to"),
        limit=limit,
        newest_first=newest_first,
        without_pictures=True,
        timeout=timeout_s,
    )

    async def read() -> list[Frame]:
        async with stream:
            return [_shown(camera_id, frame) async for frame in stream]

    return reply({"frames": await while_there(request.receive, read())})


@router.get("/cameras/{camera_id}/frames/{time}.jpg", responses=A_JPEG, response_class=Response)
async def frame(
    request: Request,
    client: Client,
    timeout_s: Timeout,
    camera_id: CameraId,
    time: Annotated[str, Path(description="Milliseconds since 1970, or ISO 8601")],
) -> Response:
    """The picture of the last frame that was captured at this time or before."""
    moment = time_of(time, "time")
    found = await while_there(request.receive, frame_at(client, camera_id, moment, timeout_s))
    if found is None or not found.jpeg:
        raise HTTPException(404, "no picture of a frame of this time or before is kept")
    # Another frame may still come in before a later moment.
    cache = FOR_EVER if found.captured == moment else CHECK_FIRST
    tag = str(ms_of(found.captured))
    return picture(request, found.jpeg, tag, captured=found.captured, cache=cache)


async def frame_at(
    client: AsyncHermesClient, camera_id: str, moment: datetime, timeout_s: float
) -> FramePicture | None:
    """The last frame that was captured at this time or before."""
    stream = client.frames(camera_id, end=moment, limit=1, newest_first=True, timeout=timeout_s)
    async with stream:
        async for found in stream:
            return found
    return None


def ms_of(captured: datetime) -> int:
    """Milliseconds since the Unix epoch."""
    return round(captured.timestamp() * 1000)


def url_of(camera_id: str, captured: datetime) -> str:
    """Where the picture of a frame is."""
    return f"/api/v1/cameras/{camera_id}/frames/{ms_of(captured)}.jpg"


def _shown(camera_id: str, frame: FramePicture) -> Frame:
    return Frame(
        captured=frame.captured,
        number=frame.number,
        media_s=frame.media_s,
        bytes=frame.bytes,
        url=url_of(camera_id, frame.captured) if frame.bytes else None,
    )
