"""JWTs at a real gateway, with keys fetched over HTTPS from an issuer that may be away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from hermes import errors
from hermes.client import AsyncHermesClient
from tests.support.gateway import register, running_gateway
from tests.support.tokens import AUDIENCE, ISSUER, jwk, jwks, signed
from tests.support.web_server import Page, WebServer, make_certificate


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """An issuer with the key k1 at /jwks and a certificate that this machine trusts."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with WebServer({"/jwks": Page(jwks(jwk("k1", "ES256")))}, certificate) as server:
        yield server


@asynccontextmanager
async def gateway_of(
    redis_url: str, source: str, token: str, **changes: Any
) -> AsyncIterator[AsyncHermesClient]:
    """A client with this token, and a gateway with keys of that issuer."""
    async with (
        running_gateway(
            redis_url, jwt_jwks=source, jwt_issuer=ISSUER, jwt_audience=AUDIENCE, **changes
        ) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=token) as client,
    ):
        yield client


async def test_keys_are_fetched_over_https(
    redis_url: str, redis_client: redis.Redis, issuer: WebServer
) -> None:
    register(redis_client, "lobby")
    register(redis_client, "dock")
    async with gateway_of(redis_url, issuer.url("/jwks"), signed()) as client:
        assert [camera.id for camera in await client.list_cameras()] == ["lobby"]
        with pytest.raises(errors.PermissionDenied):
            await client.ask("dock", "what?").result()
    assert issuer.asked == ["/jwks"]


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"exp": 1}, "has expired"),
        ({"aud": "other"}, "another audience"),
        ({"iss": "other"}, "another issuer"),
        ({"key_id": "k2"}, "a key that is not known"),
        ({"number": 1}, "cannot be verified"),
    ],
)
async def test_what_is_refused(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, changes: Any, reported: str
) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks(jwk("k1", "ES256")))
    async with gateway_of(redis_url, str(tmp_path / "jwks.json"), signed(**changes)) as client:
        with pytest.raises(errors.Unauthenticated, match=reported):
            await client.list_cameras()


async def test_an_unreachable_issuer_makes_calls_unavailable(
    redis_url: str, redis_client: redis.Redis, issuer: WebServer
) -> None:
    (issuer.pages["/jwks"], page) = (Page(status=503), issuer.pages["/jwks"])
    token = signed()
    async with gateway_of(redis_url, issuer.url("/jwks"), token, jwt_refetch_s=1.0) as client:
        with pytest.raises(errors.Unavailable, match="keys that verify tokens") as caught:
            await client.list_cameras()
        assert caught.value.retry_after_s == 1.0
        issuer.pages["/jwks"] = page
        async with asyncio.timeout(10):
            while True:
                try:
                    await client.list_cameras()
                    break
                except errors.Unavailable:
                    await asyncio.sleep(0.1)
        issuer.pages["/jwks"] = Page(status=503)
        await client.list_cameras()


@pytest.mark.parametrize(
    "page",
    [
        Page(location="https://localhost/jwks"),
        Page(b"<html>sign in</html>"),
        Page(jwks(jwk("k1", "ES256")) + b" " * (1 << 21)),
    ],
    ids=["redirect", "no-json", "endless"],
)
async def test_an_invalid_key_set_accepts_no_token(
    redis_url: str, redis_client: redis.Redis, issuer: WebServer, page: Page
) -> None:
    issuer.pages["/jwks"] = page
    async with gateway_of(redis_url, issuer.url("/jwks"), signed()) as client:
        with pytest.raises(errors.Unavailable):
            await client.list_cameras()


async def test_an_issuer_with_an_untrusted_certificate_accepts_no_token(
    redis_url: str, redis_client: redis.Redis, issuer: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with gateway_of(redis_url, issuer.url("/jwks"), signed()) as client:
        with pytest.raises(errors.Unavailable):
            await client.list_cameras()
    assert issuer.asked == []
