"""Identifies callers by the token in a call's metadata."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from hermes.errors import Unauthenticated
from services.query_gateway.access import token_file
from services.query_gateway.access.jwts import JwtVerifier
from services.query_gateway.access.scopes import Caller
from services.query_gateway.access.token_file import TokenFile

HEADER = "authorization"
_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")  # RFC 6750


@dataclass(frozen=True, slots=True)
class Refresh:
    """A step to await every `every_s` seconds."""

    name: str
    step: Callable[[], Awaitable[None]]
    every_s: float


class Authenticator:
    """Identifies callers by static tokens, JWTs, or both."""

    def __init__(self, tokens: TokenFile | None, jwts: JwtVerifier | None) -> None:
        self._tokens = tokens
        self._jwts = jwts

    @property
    def refreshes(self) -> list[Refresh]:
        """The steps that keep tokens and keys up to date."""
        refreshes = []
        if self._tokens is not None:
            reread = partial(asyncio.to_thread, self._tokens.reread)
            refreshes.append(Refresh("tokens-file", reread, token_file.REREAD_EVERY_S))
        if self._jwts is not None:
            keys = self._jwts.keys
            refreshes.append(Refresh("jwks", keys.refresh, keys.refresh_every_s))
        return refreshes

    async def caller(self, metadata: Iterable[tuple[str, str | bytes]]) -> Caller:
        """The sender of a call with this metadata. Raises `Unauthenticated` or `Unavailable`."""
        token = _bearer(metadata)
        caller = self._tokens.caller(token) if self._tokens is not None else None
        if caller is not None:
            return caller
        if self._jwts is not None and token.count(".") == 2:
            return await self._jwts.caller(token)
        raise Unauthenticated("the token is not known here")


def _bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    values = [value for key, value in metadata if key == HEADER]
    if not values:
        raise Unauthenticated(
            "this gateway wants a token: send `authorization: Bearer TOKEN` (hermes: HERMES_TOKEN)"
        )
    match = _BEARER.fullmatch(str(values[0]))
    if match is None or len(values) > 1:
        raise Unauthenticated("the authorization header is not one `Bearer TOKEN`")
    return match[1]
