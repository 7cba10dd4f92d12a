"""The HTTP door of a local run: where it listens, and that it starts."""

from __future__ import annotations

from collections.abc import Callable

from services.cli.processes import Pipeline, wait_ready
from services.common.listening import why_not_listen

DEFAULT = "127.0.0.1:8000"
ANY_PORT = "127.0.0.1:0"
OFF = "off"
GRACE_S = 2.0
"""How long Ctrl-C waits for a response that is being written."""


def start_door(
    pipeline: Pipeline, gateway: str, listen: str, say: Callable[[str], None]
) -> str | None:
    """Start it, and return its URL; None if it is off. Raises `StartFailed`.

    `listen`: HOST:PORT, `off`, or "" for the usual port, or a free one if that is taken.
    """
    if listen == OFF:
        return None
    if not listen:
        listen = ANY_PORT if why_not_listen(DEFAULT) else DEFAULT
    child = pipeline.start(
        "web", "services.web.main", listen=listen, gateway=gateway, drain_grace_s=GRACE_S
    )
    url = f"http://{wait_ready(child)['address']}"
    say(f"HTTP: {url}")
    return url


def ways_in(url: str) -> tuple[str, ...]:
    """What there is at the door of this URL, a line each, for people."""
    return (
        f"Console: [bold]{url}/[/]",
        f"Over HTTP: {url}/docs, OpenAI's API: {url}/v1, MCP: {url}/mcp",
    )
