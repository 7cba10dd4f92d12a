"""The token that goes with a client's calls."""

from __future__ import annotations

import re
from collections.abc import Callable

from hermes.errors import InvalidInput

Token = str | Callable[[], str]
"""A token, or a function that returns the one valid now. It runs before every call: be quick."""

Metadata = tuple[tuple[str, str], ...]

_SENDABLE = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750


def bearer(token: Token | None) -> Metadata:
    """The metadata of one call. Raises `InvalidInput`, which does not show the token."""
    if token is None:
        return ()
    given = token if isinstance(token, str) else token()
    if not _SENDABLE.fullmatch(given):
        raise InvalidInput("token", "is empty, or holds characters that no token has")
    return (("authorization", f"Bearer {given}"),)
