"""What a camera's memory holds: as numbers, and drawn."""

from __future__ import annotations

import asyncio
import hashlib

from fastapi import APIRouter, Request
from starlette.responses import Response

from hermes import picture as drawing
from hermes.client import MemoryContents
from services.web.callers import Client
from services.web.leaving import while_there
from services.web.problems import documented
from services.web.replies import described, picture, reply
from services.web.rest.cameras import CameraId

SVG = "image/svg+xml"

router = APIRouter(prefix="/api/v1", tags=["Memory"], responses=documented(404))


@router.get("/cameras/{camera_id}/memory", response_model=MemoryContents)
async def get_memory(request: Request, client: Client, camera_id: CameraId) -> Response:
    """What the camera's memory holds now, layer by layer. Times are ms since 1970."""
    return reply(await while_there(request.receive, client.inspect(camera_id)))


@router.get(
    "/cameras/{camera_id}/memory.svg",
    responses={200: described(SVG, "A drawing"), 304: {"description": "The client has it"}},
    response_class=Response,
)
async def draw_memory(request: Request, client: Client, camera_id: CameraId) -> Response:
    """The same, drawn."""
    contents = await while_there(request.receive, client.inspect(camera_id))
    drawn = (await asyncio.to_thread(drawing.to_svg, contents, camera_id)).encode()
    tag = hashlib.sha256(drawn).hexdigest()[:16]
    return picture(request, drawn, tag, media_type=SVG)
