"""Cameras: list, add, get, change, remove and probe them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from hermes.client import Camera, Pacing, Picture, Probe
from services.web.callers import Client
from services.web.problems import documented
from services.web.replies import reply

router = APIRouter(prefix="/api/v1", tags=["Cameras"], responses=documented(404))

CameraId = Annotated[str, Path(description="Id of the camera", examples=["lobby"])]
Labels = dict[str, str]
LONGEST_CHUNK_S = 86_400.0


class PictureInput(BaseModel):
    """Corrections of what a source says about its picture."""

    model_config = ConfigDict(extra="forbid")

    rotate: int | None = Field(None, description="Degrees clockwise: 0, 90, 180 or 270")
    mirror: bool = False
    aspect: str = Field("", description="16:9, or square for square pixels")
    transport: str = Field("auto", description="auto, tcp or udp, for RTSP")
    color: str = Field("", description="bt601, bt709 or bt2020, limited or full, or bt709-full")

    def picture(self) -> Picture:
        """As the client takes it."""
        return Picture(**self.model_dump())


class NewCamera(BaseModel):
    """A camera to add. Zeros mean the deployment's defaults."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    id: str = Field(examples=["lobby"])
    url: str = Field(examples=["rtsp://camera.example.com/stream1"])
    frames_per_second: float = Field(0.0, ge=0, le=30)
    chunk_max_frames: int = Field(0, ge=0, lt=2**32)
    chunk_max_duration_s: float | None = Field(None, ge=0, le=LONGEST_CHUNK_S)
    pacing: Pacing = "default"
    loop: bool = False
    picture: PictureInput = PictureInput()
    labels: Labels = Field({}, examples=[{"site": "dock"}])
    display_name: str = ""


class CameraChange(BaseModel):
    """What is to change; what is not given stays. `labels` replaces all of them."""

    model_config = ConfigDict(extra="forbid")

    labels: Labels | None = None
    put_labels: Labels = {}
    remove_labels: list[str] = []
    display_name: str | None = None


class Source(BaseModel):
    """A source to probe."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    url: str
    camera_id: str = Field("", description="For callers that may not add every camera")
    frames_per_second: float = Field(0.0, ge=0, le=30)
    picture: PictureInput = PictureInput()
    thumbnail: bool = Field(False, description="Send a picture, too, in base64")


class CameraList(BaseModel):
    """The cameras that the caller may see."""

    cameras: list[Camera]


@router.get("/cameras", response_model=CameraList)
async def list_cameras(
    client: Client,
    selector: Annotated[
        str, Query(description="By their labels, as Kubernetes writes it: site=dock,floor!=2")
    ] = "",
    brief: Annotated[
        bool, Query(description="Leave out the stretches that are gaps, or forgotten")
    ] = False,
) -> Response:
    """The cameras that the caller may see and that the selector selects, ordered by id."""
    cameras = await client.list_cameras(selector)
    return reply({"cameras": [_brief(one) for one in cameras] if brief else cameras})


@router.post("/cameras", status_code=201, response_model=Camera, responses=documented(409))
async def add_camera(client: Client, camera: NewCamera) -> Response:
    """Add a camera. A decoder and a worker take it up within seconds."""
    given = {name: getattr(camera, name) for name in NewCamera.model_fields}
    camera_id, url = given.pop("id"), given.pop("url")
    given["picture"] = camera.picture.picture()
    added = await client.add_camera(camera_id, url, **given)
    return reply(added, 201, {"Location": f"/api/v1/cameras/{added.id}"})


@router.get("/cameras/{camera_id}", response_model=Camera)
async def get_camera(client: Client, camera_id: CameraId) -> Response:
    """One camera, its source and its memory."""
    return reply(await client.get_camera(camera_id))


@router.patch("/cameras/{camera_id}", response_model=Camera)
async def change_camera(client: Client, camera_id: CameraId, change: CameraChange) -> Response:
    """Change a camera's labels or its display name; it keeps its memory."""
    return reply(await client.update_camera(camera_id, **change.model_dump()))


@router.delete("/cameras/{camera_id}", status_code=204)
async def remove_camera(client: Client, camera_id: CameraId) -> Response:
    """Remove a camera with its frames and its memory."""
    await client.remove_camera(camera_id)
    return Response(status_code=204)


@router.post("/probes", response_model=Probe)
async def probe(client: Client, source: Source) -> Response:
    """Open a source once, and say what it is; adds nothing. Takes up to nine seconds."""
    return reply(
        await client.probe_camera(
            source.url,
            camera_id=source.camera_id,
            frames_per_second=source.frames_per_second,
            picture=source.picture.picture(),
            thumbnail=source.thumbnail,
        )
    )


def _brief(camera: Camera) -> Camera:
    """Without what makes a list of hundreds of cameras long."""
    coverage = replace(camera.memory.coverage, gaps=(), forgotten=())
    return replace(camera, memory=replace(camera.memory, coverage=coverage))
