"""The MCP server: tools and resources over one gateway."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from pydantic_core import to_json

from hermes import __version__
from hermes.errors import CameraNotFound, HermesError
from services.web.mcp.calls import Ctx, Gateway
from services.web.mcp.camera_tools import add_camera_tools, summary_of
from services.web.mcp.watch_tools import add_watch_tools

INSTRUCTIONS = """\
Cameras that remember what they have seen. List them first; then ask one of them, or several at
once. An answer says from when to when the camera has seen something. Times are ISO 8601 with a
time zone. Watches are questions that are asked again and again; what they find are events.
"""


def make_server(gateway: Gateway) -> MCPServer:
    """A server with all tools and resources."""
    server = MCPServer(
        "hermes",
        title="HERMES Live",
        version=__version__,
        instructions=INSTRUCTIONS,
        log_level="WARNING",
    )
    add_camera_tools(server, gateway)
    add_watch_tools(server, gateway)

    @server.resource(
        "hermes://cameras/{camera}/snapshot.jpg",
        mime_type="image/jpeg",
        description="The newest picture of a camera",
    )
    async def snapshot(camera: str, ctx: Ctx) -> bytes:
        try:
            return (await gateway.client(ctx).snapshot(camera)).jpeg
        except CameraNotFound as error:
            raise ResourceNotFoundError(str(error)) from None
        except HermesError as error:
            raise ResourceError(f"{error.reason}: {error}") from None

    @server.resource(
        "hermes://cameras/{camera}",
        mime_type="application/json",
        description="A camera: its state, its labels, and since when it remembers",
    )
    async def camera_state(camera: str, ctx: Ctx) -> str:
        try:
            return to_json(summary_of(await gateway.client(ctx).get_camera(camera))).decode()
        except CameraNotFound as error:
            raise ResourceNotFoundError(str(error)) from None
        except HermesError as error:
            raise ResourceError(f"{error.reason}: {error}") from None

    return server
