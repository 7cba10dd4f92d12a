"""A cached JWKS (RFC 7517): the public keys that verify JWTs."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jwt

from hermes.errors import Unauthenticated, Unavailable
from services.common import logs

log = logs.get(__name__)

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Algorithms that sign with a private key; not `none`, and not shared secrets (HS...)."""

FETCH_TIMEOUT_S = 5.0
REFRESH_EVERY_S = 600.0
"""A key that its issuer revoked is still accepted for up to this time."""
MAX_BYTES = 1 << 20


class KeySet:
    """Keys by their ids. Belongs to the running loop."""

    def __init__(
        self,
        fetch: Callable[[], bytes],
        refetch_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch` runs in a thread, at most once in `refetch_s` seconds."""
        self._fetch = fetch
        self._refetch_s = refetch_s
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = False
        self._next_fetch = clock()
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, key_id: str) -> jwt.PyJWK:
        """The key of this id. An unknown id makes it fetch the keys again.

        Raises `Unauthenticated` if there is no such key, and `Unavailable` if the
        keys cannot be fetched.
        """
        if key_id not in self._keys:
            await self.refresh()
        if key_id in self._keys:
            return self._keys[key_id]
        if self._fetched:
            raise Unauthenticated("the token is signed with a key that is not known here")
        raise Unavailable(
            "the keys that verify tokens cannot be fetched right now",
            max(1.0, self._next_fetch - self._clock()),
        )

    async def refresh(self) -> None:
        """Fetch the keys, unless that was tried just now. If it fails, the known keys stay."""
        if self._fetching is None:
            if self._clock() < self._next_fetch:
                return
            self._next_fetch = self._clock() + self._refetch_s
            self._fetching = asyncio.create_task(self._read())
        # One waiting call may be cancelled while others still need the keys.
        await asyncio.shield(self._fetching)

    @property
    def refresh_every_s(self) -> float:
        """How often `refresh` is to be awaited."""
        return max(self._refetch_s, REFRESH_EVERY_S)

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(2 * FETCH_TIMEOUT_S):
                self._keys = parse(await asyncio.to_thread(self._fetch))
            self._fetched = True
            log.info("jwks_read", keys=len(self._keys))
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._fetched = False
            log.error(
                "jwks_unusable", error=f"{type(error).__name__}: {error}", kept=len(self._keys)
            )
        finally:
            self._fetching = None


def parse(raw: bytes) -> dict[str, jwt.PyJWK]:
    """The keys that can verify a token, by id. Raises ValueError if there are none."""
    if len(raw) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    try:
        found = jwt.PyJWKSet.from_dict(json.loads(raw)).keys
    except Exception as error:  # the libraries raise many types for bad input
        raise ValueError(f"not a JWKS: {type(error).__name__}: {error}"[:200]) from None
    keys = {
        str(key.key_id): key
        for key in found
        if key.key_id and key.algorithm_name in ALGORITHMS and key.public_key_use in (None, "sig")
    }
    if not keys:
        raise ValueError("it holds no key with a kid that verifies signatures of a private key")
    return keys


def fetch_of(source: str) -> Callable[[], bytes]:
    """A function that reads an https URL or a file.

    It raises OSError or `http.client.HTTPException`.
    """
    if source.startswith("https://"):
        return partial(_download, source)
    return Path(source).read_bytes


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: only the operator chooses the address and its protocol."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _download(url: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirects)
    with opener.open(url, timeout=FETCH_TIMEOUT_S) as reply:
        body: bytes = reply.read(MAX_BYTES + 1)
    return body
