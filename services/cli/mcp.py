"""`hermes mcp`: cameras as tools of an agent, over standard input and output."""

from __future__ import annotations

import asyncio

from hermes.client import AsyncConnection, AsyncHermesClient
from hermes.client.requests import ASK_TIMEOUT_S
from services.cli.connection import DEFAULT_GATEWAY, Gateway, TokenFile, access
from services.cli.output import fail


def mcp(gateway: Gateway = DEFAULT_GATEWAY, token_file: TokenFile = None) -> None:
    """Speak the Model Context Protocol on standard input and output, for an agent."""
    tls, token = access(token_file)
    try:
        from services.web.mcp.calls import Gateway as Calls
        from services.web.mcp.server import make_server
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed: pip install 'hermes-live[web]'")

    async def serve() -> None:
        async with AsyncConnection(gateway, tls=tls) as connection:
            client = AsyncHermesClient(connection, token=token)
            await make_server(Calls(lambda ctx: client, ASK_TIMEOUT_S)).run_stdio_async()

    asyncio.run(serve())
