"""Watches: create, list, change, delete and try them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from hermes.client import Evaluation, EventFrame, Trial
from services.web.callers import Client, Timeout
from services.web.leaving import while_there
from services.web.problems import documented
from services.web.replies import reply
from services.web.rest.watch_records import WatchFields, WatchInput, WatchRecord

router = APIRouter(prefix="/api/v1", tags=["Watches"], responses=documented(404))

WatchId = Annotated[str, Path(description="Id of the watch", examples=["door"])]


class WatchList(BaseModel):
    """The watches that the caller may see."""

    watches: list[WatchRecord]


class TrialInput(BaseModel):
    """A watch to try. It need not exist."""

    model_config = ConfigDict(extra="forbid")

    watch: WatchInput
    evidence: int = Field(0, ge=0, lt=2**32, description="Name so many frames that it rests on")
    pictures: bool = Field(False, description="With their pictures, in base64")


class TrialRecord(BaseModel):
    """What a watch finds at one camera now, or why that camera does not answer."""

    camera_id: str
    evaluation: Evaluation | None
    evidence: list[EventFrame]
    reason: str
    message: str
    retry_after_s: float | None


class TrialList(BaseModel):
    """What a watch finds now, camera by camera."""

    trials: list[TrialRecord]


@router.get("/watches", response_model=WatchList)
async def list_watches(
    client: Client,
    camera_id: Annotated[str, Query(description="Only watches of this camera")] = "",
) -> Response:
    """The watches that the caller may see, ordered by id."""
    states = await client.list_watches(camera_id)
    return _reply({"watches": [WatchRecord.of(state) for state in states]})


@router.post("/watches", status_code=201, response_model=WatchRecord, responses=documented(409))
async def create_watch(client: Client, watch: WatchInput) -> Response:
    """Create a watch. The workers of its cameras ask it from now on."""
    created = WatchRecord.of(await client.create_watch(watch.watch()))
    return _reply(created, 201, {"Location": f"/api/v1/watches/{created.id}"})


@router.get("/watches/{watch_id}", response_model=WatchRecord)
async def get_watch(client: Client, watch_id: WatchId) -> Response:
    """One watch as it is now."""
    return _reply(WatchRecord.of(await client.get_watch(watch_id)))


@router.patch("/watches/{watch_id}", response_model=WatchRecord)
async def change_watch(client: Client, watch_id: WatchId, changes: WatchFields) -> Response:
    """Change what is given. Another question, form, trigger or cameras end its open events."""
    return _reply(WatchRecord.of(await client.update_watch(watch_id, **changes.changes())))


@router.delete("/watches/{watch_id}", status_code=204)
async def delete_watch(client: Client, watch_id: WatchId) -> Response:
    """Delete a watch. Its open events end."""
    await client.delete_watch(watch_id)
    return Response(status_code=204)


@router.post("/trials", response_model=TrialList)
async def try_watch(
    request: Request, client: Client, timeout_s: Timeout, trial: TrialInput
) -> Response:
    """Ask a watch now, of each of its cameras. Opens no event."""

    async def found() -> list[Trial]:
        trials = client.try_watch(
            trial.watch.watch(),
            evidence=trial.evidence,
            pictures=trial.pictures,
            timeout=timeout_s,
        )
        return [one async for one in trials]

    return reply({"trials": await while_there(request.receive, found())})


def _reply(record: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return reply(record, status, headers)
