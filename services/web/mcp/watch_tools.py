"""Tools about watches and their events. What the token does not allow, the gateway refuses."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations
from pydantic import Field

from hermes.client import AsyncHermesClient, Event, EventFilter
from services.web.mcp.calls import Ctx, Gateway, plain, told
from services.web.mcp.camera_tools import READS
from services.web.rest.events import shown
from services.web.rest.watch_records import WatchInput, WatchRecord

CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
REMOVES = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)
LONGEST_WAIT_S = 60.0
MOST_EVENTS = 100

WatchId = Annotated[str, Field(description="Id of the watch")]
EventId = Annotated[str, Field(description="Id of the event")]


def add_watch_tools(server: MCPServer, gateway: Gateway) -> None:
    """Register them."""

    @server.tool(annotations=READS)
    @told
    async def list_watches(ctx: Ctx, camera: str = "") -> dict[str, Any]:
        """List the watches, which are standing questions; of one camera, if it is given."""
        states = await gateway.client(ctx).list_watches(camera)
        return {"watches": [plain(WatchRecord.of(state)) for state in states]}

    @server.tool(annotations=CHANGES)
    @told
    async def create_watch(ctx: Ctx, watch: WatchInput) -> dict[str, Any]:
        """Create a watch: its cameras are asked again and again, and it opens events."""
        state = await gateway.client(ctx).create_watch(watch.watch())
        return {"watch": plain(WatchRecord.of(state))}

    @server.tool(annotations=READS)
    @told
    async def try_watch(ctx: Ctx, watch: WatchInput) -> dict[str, Any]:
        """Ask a watch now, of each of its cameras. It need not exist, and opens no event."""
        trials = gateway.client(ctx).try_watch(watch.watch(), timeout=gateway.ask_s)
        return {"trials": [plain(one) async for one in trials]}

    @server.tool(annotations=REMOVES)
    @told
    async def delete_watch(ctx: Ctx, watch: WatchId) -> dict[str, Any]:
        """Delete a watch. Its open events end."""
        await gateway.client(ctx).delete_watch(watch)
        return {"deleted": watch}

    @server.tool(annotations=READS)
    @told
    async def list_events(
        ctx: Ctx,
        watches: list[str] = [],  # noqa: B006 - a default of the schema
        cameras: list[str] = [],  # noqa: B006
        only_open: bool = False,
        limit: Annotated[int, Field(ge=1, le=MOST_EVENTS)] = 20,
    ) -> dict[str, Any]:
        """List events, newest first: what watches have found."""
        filter_ = EventFilter(tuple(watches), tuple(cameras), only_open=only_open)
        events = await gateway.client(ctx).events(filter_, limit=limit)
        return {"events": [plain(shown(event)) for event in events]}

    @server.tool(annotations=READS)
    @told
    async def follow_events(
        ctx: Ctx,
        seconds: Annotated[float, Field(gt=0, le=LONGEST_WAIT_S)] = 20.0,
        position: Annotated[
            str, Field(description="Of the last call, to go on after it; empty: from now on")
        ] = "",
        watches: list[str] = [],  # noqa: B006
        cameras: list[str] = [],  # noqa: B006
    ) -> dict[str, Any]:
        """Wait for messages about events. Returns with the first ones, or when time is up."""
        filter_ = EventFilter(tuple(watches), tuple(cameras))
        events, reached = await _coming(gateway.client(ctx), filter_, position, seconds)
        return {"events": [plain(shown(event)) for event in events], "position": reached}

    @server.tool(annotations=CHANGES)
    @told
    async def acknowledge_event(ctx: Ctx, event: EventId, note: str = "") -> dict[str, Any]:
        """Note that somebody has taken notice of an event. The first who does stays."""
        return {"event": plain(shown(await gateway.client(ctx).acknowledge(event, note)))}


async def _coming(
    client: AsyncHermesClient, filter_: EventFilter, position: str, seconds: float
) -> tuple[list[Event], str]:
    """The first messages within the time, and those that come right after them."""
    found: list[Event] = []
    missed = False
    async with client.follow_events(filter_, after=position) as stream:
        try:
            async with asyncio.timeout(seconds) as timeout:
                async for one in stream:
                    found.append(one.event)
                    missed = missed or one.missed
                    if len(found) >= MOST_EVENTS:
                        break
                    soon = asyncio.get_running_loop().time() + SOON_S
                    timeout.reschedule(min(soon, timeout.when() or soon))
        except TimeoutError:
            if not timeout.expired():
                raise
        return found, stream.position


SOON_S = 0.2
"""How long `follow_events` waits for more once it has something to tell."""
