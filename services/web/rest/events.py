"""Events: list, follow and acknowledge them, and their pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hermes.client import AsyncEventStream, Event, EventFilter
from hermes.client.watches import SeverityWord
from hermes.errors import HermesError
from services.web.callers import Client
from services.web.leaving import while_there
from services.web.moments import moment_of
from services.web.problems import documented, problem_of
from services.web.replies import FOR_EVER, JPEG, described, picture, reply
from services.web.sse import MEDIA_TYPE as SSE
from services.web.sse import EventStreamResponse, event

router = APIRouter(prefix="/api/v1", tags=["Events"], responses=documented(404))

EventId = Annotated[str, Path(description="Id of the event")]
LONGEST_NOTE = 1000


class Finding(BaseModel):
    """A frame that an event rests on. `url`: its picture, if that is kept."""

    captured: datetime | None
    media_s: float | None
    frame: int
    logprob_without: float
    url: str


class AcknowledgementRecord(BaseModel):
    """Who has taken notice: the name in the token, and a remark."""

    by: str
    at: datetime
    note: str


class EventRecord(BaseModel):
    """One event, as of one message about it. `type`: opened, updated, closed or note."""

    id: str
    type: str
    watch_id: str
    camera_id: str
    camera_display_name: str
    severity: str
    labels: dict[str, str]
    question: str
    opened: datetime
    closed: datetime | None
    end: str
    value: float | None
    peak: float | None
    answer: str
    sentence: str
    evidence: list[Finding]
    acknowledgement: AcknowledgementRecord | None
    epoch: int
    sinks: list[str]
    lag_s: float | None
    model: str
    sequence: int


class EventList(BaseModel):
    """Events, newest first. `next`: give it as `before` for the next page; null on the last."""

    events: list[EventRecord]
    next: str | None


class Note(BaseModel):
    """A remark for the others."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field("", max_length=LONGEST_NOTE)


def _filter(
    watch: Annotated[list[str] | None, Query(description="Of these watches")] = None,
    camera: Annotated[list[str] | None, Query(description="Of these cameras")] = None,
    selector: Annotated[str, Query(description="Of cameras with such labels")] = "",
    severity: Annotated[
        SeverityWord | None, Query(description="This severity and graver ones")
    ] = None,
    open: Annotated[bool, Query(description="Only those that are not over")] = False,
    after: Annotated[str | None, Query(description="Opened after this moment, ISO 8601")] = None,
    until: Annotated[str | None, Query(description="Opened before it")] = None,
) -> EventFilter:
    return EventFilter(
        watch_ids=tuple(watch or ()),
        camera_ids=tuple(camera or ()),
        selector=selector,
        at_least=severity,
        only_open=open,
        opened_after=None if after is None else moment_of(after, "after"),
        opened_before=None if until is None else moment_of(until, "until"),
    )


Filter = Annotated[EventFilter, Depends(_filter)]


@router.get(
    "/events",
    response_model=EventList,
    responses={200: {"content": {SSE: {"schema": {"type": "string"}}}}},
)
async def list_events(
    request: Request,
    client: Client,
    filter_: Filter,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[str, Query(description="The next page: opened before this event")] = "",
    position: Annotated[
        str, Query(description="Follow from here, as Last-Event-ID; 0: all that are kept")
    ] = "",
) -> Response:
    """The events that are kept, newest first. With `Accept: text/event-stream` messages about
    events as they come: each has its position as its id, so that a client which lost the
    connection goes on where it was (`Last-Event-ID`).
    """
    if SSE in request.headers.get("accept", ""):
        after = request.headers.get("last-event-id", "") or position
        stream = client.follow_events(filter_, after=after)
        return EventStreamResponse(
            _followed(stream), ping_s=request.app.state.ping_s, ending=request.app.state.ending
        )
    found = await client.events(filter_, limit=limit, before_id=before)
    # A page is shorter than the limit if its events are large: only an empty one is the last.
    following = found[-1].id if found else None
    return reply({"events": [shown(one) for one in found], "next": following})


@router.get("/events/{event_id}", response_model=EventRecord)
async def get_event(client: Client, event_id: EventId) -> Response:
    """One event, as its last message left it."""
    return reply(shown(await client.get_event(event_id)))


@router.post("/events/{event_id}/acknowledgement", response_model=EventRecord)
async def acknowledge(client: Client, event_id: EventId, note: Note) -> Response:
    """Note that somebody has taken notice of an event. The first who does stays."""
    return reply(shown(await client.acknowledge(event_id, note.note)))


@router.get(
    "/events/{event_id}/evidence/{number}.jpg",
    responses={200: described(JPEG, "A JPEG"), 304: {"description": "The client has it"}},
    response_class=Response,
)
async def evidence_picture(
    request: Request,
    client: Client,
    event_id: EventId,
    number: Annotated[int, Path(description="Of the evidence, from 0 on", ge=0)],
) -> Response:
    """The picture of a frame that an event rests on."""
    found = await while_there(request.receive, client.get_event(event_id))
    data = found.evidence[number].picture if number < len(found.evidence) else b""
    if not data:
        raise HTTPException(404, "no picture of this evidence is kept")
    return picture(request, data, f"{event_id}-{number}", cache=FOR_EVER)


def shown(found: Event) -> dict[str, Any]:
    """An event without the bytes of its pictures: their addresses."""
    fields = {name: getattr(found, name) for name in EventRecord.model_fields}
    fields["evidence"] = [
        {
            "captured": frame.captured,
            "media_s": frame.media_s,
            "frame": frame.frame,
            "logprob_without": frame.logprob_without,
            "url": f"/api/v1/events/{found.id}/evidence/{number}.jpg",
        }
        for number, frame in enumerate(found.evidence)
    ]
    return fields


async def _followed(stream: AsyncEventStream) -> AsyncIterator[bytes]:
    """Each message, named as its type. The last one says why it ended."""
    async with stream:
        try:
            async for one in stream:
                value = {**shown(one.event), "missed": one.missed}
                yield event(value, name=one.event.type, id=one.position)
        except HermesError as error:
            problem = problem_of(error).model_dump(exclude_none=True)
            yield event(problem, name="error", id=stream.position)
