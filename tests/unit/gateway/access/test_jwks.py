"""Keys are fetched on demand, not too often, and kept while their issuer is away."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hermes.errors import Unauthenticated, Unavailable
from services.common.heartbeats import Heartbeats
from services.common.periodic_task import PeriodicTask
from services.query_gateway.access import jwks as module
from services.query_gateway.access.jwks import KeySet, fetch_of, parse
from tests.support.tokens import jwk, jwks


class Issuer:
    """Returns or raises what the test sets, and counts the fetches."""

    def __init__(self, *key_ids: str) -> None:
        self.key_ids = key_ids
        self.away = False
        self.asked = 0
        self.now = 0.0

    def fetch(self) -> bytes:
        self.asked += 1
        if self.away:
            raise OSError("nobody there")
        return jwks(*(jwk(key_id, "ES256") for key_id in self.key_ids))

    def keys(self) -> KeySet:
        return KeySet(self.fetch, refetch_s=30, clock=lambda: self.now)


async def test_an_unknown_key_is_fetched_at_most_every_n_seconds() -> None:
    issuer = Issuer("k1")
    keys = issuer.keys()
    assert (await keys.key("k1")).key_id == "k1"
    issuer.key_ids = ("k2",)
    for issuer.now in (0.0, 10.0, 29.9):
        with pytest.raises(Unauthenticated):
            await keys.key("k2")
        await keys.key("k1")
    assert issuer.asked == 1
    issuer.now = 30.0
    assert (await keys.key("k2")).key_id == "k2"
    with pytest.raises(Unauthenticated):
        await keys.key("k1")  # its issuer took it back
    assert issuer.asked == 2


async def test_known_keys_stay_in_use_while_the_issuer_is_away() -> None:
    issuer = Issuer("k1")
    keys = issuer.keys()
    await keys.refresh()
    issuer.away, issuer.now = True, 40.0
    with pytest.raises(Unavailable) as caught:
        await keys.key("k2")
    assert caught.value.retry_after_s == 30.0
    assert (await keys.key("k1")).key_id == "k1"
    issuer.away, issuer.now = False, 70.0
    with pytest.raises(Unauthenticated):
        await keys.key("k2")


async def test_without_any_key_every_token_is_refused() -> None:
    issuer = Issuer("k1")
    issuer.away = True
    keys = issuer.keys()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await keys.key("k1")
    assert issuer.asked == 1
    issuer.away, issuer.now = False, 30.0
    assert (await keys.key("k1")).key_id == "k1"


async def test_many_calls_share_one_fetch_and_a_cancelled_one_stops_no_other() -> None:
    begun, go_on = threading.Event(), threading.Event()
    issuer = Issuer("k1")

    def slow() -> bytes:
        begun.set()
        assert go_on.wait(5)
        return issuer.fetch()

    keys = KeySet(slow, refetch_s=30, clock=lambda: 0.0)
    waiting = [asyncio.ensure_future(keys.key("k1")) for _ in range(20)]
    assert await asyncio.to_thread(begun.wait, 5)
    waiting[0].cancel()
    go_on.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert {key.key_id for key in found[1:] if not isinstance(key, BaseException)} == {"k1"}
    assert issuer.asked == 1


async def test_keys_are_fetched_again_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that its issuer revoked is forgotten, even if no call needs another one."""
    monkeypatch.setattr(module, "REFRESH_EVERY_S", 0.01)
    issuer = Issuer("k1")
    keys = KeySet(issuer.fetch, refetch_s=0.01)
    running = PeriodicTask("jwks", keys.refresh, keys.refresh_every_s, Heartbeats())
    running.start()
    await keys.key("k1")
    issuer.key_ids = ("k2",)
    async with asyncio.timeout(5):
        while issuer.asked < 4:
            await asyncio.sleep(0.01)
    await running.stop()
    issuer.away = True
    with pytest.raises((Unavailable, Unauthenticated)):
        await keys.key("k1")


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff", b"[]", b"5", b"{}", b'{"keys": []}', b'{"keys": 5}', b'{"keys": [{"kid": "a"}]}',
     b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}', b"[" * 100_000,
     b'{"keys": [{"kty": "RSA", "n": 5, "e": [], "kid": "a"}]}', b" " * (1 << 21)],
)  # fmt: skip
def test_a_document_without_a_key_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(raw)


def test_redirects_are_not_followed() -> None:
    for source in ("http://issuer.test/jwks", "ftp://issuer.test/jwks", "file:///etc/passwd"):
        with pytest.raises(FileNotFoundError):  # taken for the name of a file
            fetch_of(source)()
