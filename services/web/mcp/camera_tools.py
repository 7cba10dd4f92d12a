"""Tools about cameras: list them, ask them, look at their pictures."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from hermes.client import Answer, Camera
from services.web.mcp.calls import Ctx, Gateway, plain, span_of, told
from services.web.moments import time_of
from services.web.rest.pictures import frame_at

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)

CameraId = Annotated[str, Field(description="Id of the camera")]
Last = Annotated[str, Field(description="Only the last stretch of time: 30s, 10m, 1h30m, 2d")]
From = Annotated[str, Field(description="Only from this moment on: ISO 8601 with a time zone")]
To = Annotated[str, Field(description="Only until this moment: ISO 8601 with a time zone")]
Options = Annotated[
    list[str], Field(description="The answer is one of these texts, with probabilities")
]
Selector = Annotated[
    str, Field(description="Cameras by their labels, as Kubernetes writes it: site=dock,floor!=2")
]


def add_camera_tools(server: MCPServer, gateway: Gateway) -> None:
    """Register them."""

    @server.tool(annotations=READS)
    @told
    async def list_cameras(ctx: Ctx, selector: Selector = "") -> dict[str, Any]:
        """List the cameras: their state, their labels, and since when each remembers."""
        cameras = await gateway.client(ctx).list_cameras(selector)
        return {"cameras": [summary_of(camera) for camera in cameras]}

    @server.tool(annotations=READS)
    @told
    async def ask_camera(
        ctx: Ctx,
        camera: CameraId,
        question: Annotated[str, Field(description="In plain words")],
        last: Last = "",
        from_time: From = "",
        to_time: To = "",
        choices: Options = [],  # noqa: B006 - a default of the schema
        evidence: Annotated[
            int, Field(ge=0, le=16, description="Name so many frames that the answer rests on")
        ] = 0,
    ) -> dict[str, Any]:
        """Ask a camera what it sees now or has seen. get_frame shows frames that are named."""
        stream = gateway.client(ctx).ask(
            camera,
            question,
            span=span_of(last, from_time, to_time),
            choices=choices,
            evidence=evidence,
            timeout=gateway.ask_s,
        )
        async with stream:
            return answer_of(await stream.result())

    @server.tool(annotations=READS)
    @told
    async def ask_cameras(
        ctx: Ctx,
        question: Annotated[str, Field(description="In plain words")],
        selector: Selector = "",
        cameras: Annotated[list[str], Field(description="Or their ids")] = [],  # noqa: B006
        last: Last = "",
        from_time: From = "",
        to_time: To = "",
        choices: Options = [],  # noqa: B006
        merge: Annotated[bool, Field(description="Have one answer made of all answers")] = False,
    ) -> dict[str, Any]:
        """Ask several cameras the same: by their labels, or by their ids."""
        stream = gateway.client(ctx).ask_many(
            question,
            selector=selector,
            cameras=cameras,
            span=span_of(last, from_time, to_time),
            choices=choices,
            merge=merge,
            timeout=gateway.ask_s,
        )
        async with stream:
            result = await stream.result()
        merged = None if result.merged is None else answer_of(result.merged)
        return {
            "answers": {name: answer_of(answer) for name, answer in result.answers.items()},
            "errors": {name: f"{e.reason}: {e}" for name, e in result.errors.items()},
            "merged": merged,
        }

    @server.tool(annotations=READS, structured_output=False)
    @told
    async def get_snapshot(ctx: Ctx, camera: CameraId) -> list[Any]:
        """The newest picture of a camera."""
        newest = await gateway.client(ctx).snapshot(camera)
        captured = f"{camera}, captured {newest.captured.isoformat()}"
        return [captured, Image(data=newest.jpeg, format="jpeg")]

    @server.tool(annotations=READS, structured_output=False)
    @told
    async def get_frame(
        ctx: Ctx,
        camera: CameraId,
        time: Annotated[str, Field(description="A moment: ISO 8601 with a time zone")],
    ) -> list[Any]:
        """The last picture that a camera took at a moment or before, if it is kept."""
        moment = time_of(time, "time")
        found = await frame_at(gateway.client(ctx), camera, moment, gateway.ask_s)
        if found is None or not found.jpeg:
            raise ToolError("no picture of a frame of this time or before is kept")
        captured = f"{camera}, captured {found.captured.isoformat()}"
        return [captured, Image(data=found.jpeg, format="jpeg")]


def summary_of(camera: Camera) -> dict[str, Any]:
    """What a model needs to know about a camera."""
    covered = camera.memory.coverage.span
    return {
        "id": camera.id,
        "display_name": camera.display_name,
        "labels": dict(camera.labels),
        "source": camera.source.state,
        "problem": camera.source.error_message,
        "memory": camera.memory.state,
        "remembers_since": None if covered is None else covered.start.isoformat(),
        "newest_frame": None if covered is None else covered.end.isoformat(),
    }


def answer_of(answer: Answer) -> dict[str, Any]:
    """What a model needs to know about an answer."""
    covered = answer.coverage.span
    told: dict[str, Any] = {
        "answer": answer.text,
        "finish_reason": answer.finish_reason,
        "seen_since": None if covered is None else covered.start.isoformat(),
        "seen_until": None if covered is None else covered.end.isoformat(),
    }
    if answer.choices:
        told["choices"] = {choice.text: round(choice.probability, 4) for choice in answer.choices}
    if answer.span is not None:
        told["span"] = plain(answer.span)
    if answer.evidence is not None:
        told["evidence"] = [
            {
                "time": frame.captured.isoformat(),
                "times_less_likely_without": plain(round(frame.times_less_likely, 2)),
            }
            for frame in answer.evidence.frames
        ]
    return told
