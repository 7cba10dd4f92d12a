"""Who calls, and a client of the gateway for them: it sends the caller's own token."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hermes.client import AsyncConnection, AsyncHermesClient
from hermes.errors import InvalidInput
from services.web import session

TIMEOUT = "Hermes-Timeout"
"""The header that says how long an answer may take, in seconds."""
TRACE = ("traceparent", "tracestate")
"""Headers of W3C trace context, which are passed on."""
LONGEST_TRACE = 1024

_bearer = HTTPBearer(
    auto_error=False, description="A token of the gateway; needed where it wants one."
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long calls may take, in seconds. `most`: what a request may ask for."""

    call_s: float
    ask_s: float
    most_s: float

    def of(self, header: str | None) -> float:
        """The time for an answer. Raises `InvalidInput` for what is no number of seconds."""
        if header is None:
            return self.ask_s
        try:
            wanted = float(header)
        except ValueError:
            wanted = math.nan
        if not 0 < wanted <= self.most_s:
            raise InvalidInput(TIMEOUT, f"is a number of seconds, at most {self.most_s:g}")
        return wanted


class Callers:
    """Makes a client for each request. All of them share one connection."""

    def __init__(self, connection: AsyncConnection, patience: Patience) -> None:
        self._connection = connection
        self.patience = patience

    def client(
        self, token: str | None, headers: Mapping[str, str] | None = None
    ) -> AsyncHermesClient:
        """A client that sends this token, and the trace context of the headers. Do not close it."""
        trace = tuple(
            (name, value)
            for name in TRACE
            if (value := (headers or {}).get(name))
            and len(value) <= LONGEST_TRACE
            and value.isascii()
            and value.isprintable()
        )
        return AsyncHermesClient(
            self._connection, token=token, metadata=trace, timeout=self.patience.call_s
        )


def _token(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str | None:
    given = "" if credentials is None else credentials.credentials.strip()
    return given or session.token_of(request)


CallerToken = Annotated[str | None, Depends(_token)]
"""A parameter of a route: the caller's token, from the header or else from the session."""


def _client(request: Request, token: CallerToken) -> AsyncHermesClient:
    callers: Callers = request.app.state.callers
    return callers.client(token, request.headers)


def _timeout(request: Request) -> float:
    callers: Callers = request.app.state.callers
    return callers.patience.of(request.headers.get(TIMEOUT))


Client = Annotated[AsyncHermesClient, Depends(_client)]
"""A parameter of a route: the gateway, as the caller sees it."""
Timeout = Annotated[float, Depends(_timeout)]
"""A parameter of a route: how long the answer may take, in seconds."""
