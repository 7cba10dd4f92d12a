"""MCP over streamable HTTP, as an ASGI application of the door."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from mcp.server.transport_security import TransportSecuritySettings

from hermes.client import AsyncHermesClient
from services.web.callers import Callers
from services.web.mcp.calls import Ctx, Gateway
from services.web.mcp.server import make_server

BEARER = "bearer "


class McpMount:
    """Serves MCP without sessions: each request carries its caller's token."""

    def __init__(self, callers: Callers, max_body_bytes: int) -> None:
        self._callers = callers
        server = make_server(Gateway(self._client, callers.patience.ask_s))
        server.streamable_http_app(
            stateless_http=True,
            max_request_body_size=max_body_bytes,
            # The door checks hosts and origins itself.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self._manager = server.session_manager

    def running(self) -> AbstractAsyncContextManager[None]:
        """What must be entered before the first request."""
        return self._manager.run()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request."""
        await self._manager.handle_request(scope, receive, send)

    def _client(self, ctx: Ctx) -> AsyncHermesClient:
        headers = ctx.headers or {}
        given = headers.get("authorization", "")
        token = given[len(BEARER) :].strip() if given.lower().startswith(BEARER) else ""
        return self._callers.client(token or None, headers)
