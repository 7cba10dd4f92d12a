"""The public keys that JWTs are checked with: a JWKS (RFC 7517), cached."""

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
"""Signatures by a private key. Neither `none` nor a secret that both sides know (HS...) is one."""

FETCH_TIMEOUT_S = 5.0
REFRESH_EVERY_S = 600.0
"""How long a key that its issuer took back is still accepted."""
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
        """The key. One that is not known is looked for anew.

        Raises `Unauthenticated` if there is none, `Unavailable` if that cannot be told.
        """
        if key_id not in self._keys:
            await self.refresh()
        if key_id in self._keys:
            return self._keys[key_id]
        if self._fetched:
            raise Unauthenticated("the token is signed with a key that is not known here")
        raise Unavailable(
            "the keys to check tokens with cannot be had right now",
            max(1.0, self._next_fetch - self._clock()),
        )

    async def refresh(self) -> None:
        """Fetch the keys, unless that was tried just now. Those that are known stay if it fails."""
        if self._fetching is None:
            if self._clock() < self._next_fetch:
                return
            self._next_fetch = self._clock() + self._refetch_s
            self._fetching = asyncio.create_task(self._read())
        # Who waits may be cancelled; the others still want the keys.
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
    """The keys that can check a token, by id. Raises ValueError if there are none."""
    if len(raw) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    try:
        found = jwt.PyJWKSet.from_dict(json.loads(raw)).keys
    except Exception as error:  # whatever the libraries trip over in it
        raise ValueError(f"not a JWKS: {type(error).__name__}: {error}"[:200]) from None
    keys = {
        str(key.key_id): key
        for key in found
        if key.key_id and key.algorithm_name in ALGORITHMS and key.public_key_use in (None, "sig")
    }
    if not keys:
        raise ValueError("no key in it has a kid and checks signatures by a private key")
    return keys


def fetch_of(source: str) -> Callable[[], bytes]:
    """Reads an https URL or a file. Raises OSError or `http.client.HTTPException`."""
    if source.startswith("https://"):
        return partial(_download, source)
    return Path(source).read_bytes


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Another address, which may be of another protocol, is nobody's choice but the operator's."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _download(url: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirects)
    with opener.open(url, timeout=FETCH_TIMEOUT_S) as reply:
        body: bytes = reply.read(MAX_BYTES + 1)
    return body
