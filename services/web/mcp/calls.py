"""What all tools share: the gateway as the caller sees it, errors, and plain values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic_core import to_jsonable_python

from hermes.client import AskedSpan, AsyncHermesClient
from hermes.errors import HermesError
from services.web.moments import SpanInput

P = ParamSpec("P")
R = TypeVar("R")

Ctx = Context[Any, Any]


@dataclass(frozen=True, slots=True)
class Gateway:
    """How tools reach the gateway. `client`: as the caller of a request; `ask_s`: for answers."""

    client: Callable[[Ctx], AsyncHermesClient]
    ask_s: float


def told(tool: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Make a tool return its errors to the model, each with its reason."""

    @wraps(tool)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await tool(*args, **kwargs)
        except HermesError as error:
            raise ToolError(f"{error.reason}: {error}") from None

    return call


def plain(value: Any) -> Any:
    """A record of the client as JSON has it. Pictures are left out: tools send them as images."""
    return _without_pictures(to_jsonable_python(value, bytes_mode="base64", inf_nan_mode="null"))


def _without_pictures(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_pictures(item) for key, item in value.items() if key != "picture"}
    return [_without_pictures(item) for item in value] if isinstance(value, list) else value


def span_of(last: str, from_time: str, to_time: str) -> AskedSpan | None:
    """The span that a tool's arguments name. Raises `InvalidInput`."""
    given = {"last": last or None, "from": from_time or None, "to": to_time or None}
    return SpanInput.model_validate(given).span("span")
