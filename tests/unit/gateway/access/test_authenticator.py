"""The header that a token comes in."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.client.token import bearer
from hermes.errors import InvalidInput, Unauthenticated
from services.query_gateway.access.authenticator import Authenticator
from services.query_gateway.access.jwks import KeySet
from services.query_gateway.access.jwts import JwtVerifier
from services.query_gateway.access.token_file import TokenFile
from tests.support.tokens import AUDIENCE, ISSUER, jwk, jwks, signed, write_tokens


@pytest.fixture
def token(tmp_path: Path) -> str:
    return write_tokens(tmp_path / "tokens.yaml", desk="ask:lobby")["desk"]


@pytest.fixture
def jwts() -> JwtVerifier:
    keys = KeySet(lambda: jwks(jwk("k1", "ES256")), refetch_s=30)
    return JwtVerifier(keys, issuer=ISSUER, audience=AUDIENCE)


@pytest.fixture
def both(tmp_path: Path, token: str, jwts: JwtVerifier) -> Authenticator:
    return Authenticator(TokenFile(tmp_path / "tokens.yaml"), jwts)


async def test_both_kinds_are_told_apart(both: Authenticator, token: str) -> None:
    assert (await both.caller(bearer(token))).who == "token:desk"
    assert (await both.caller(bearer(signed))).who == "jwt:alice"
    assert (await both.caller([("authorization", f"bEARER  {token}")])).who == "token:desk"
    for other in ("hermes_nobody", "a.b.c"):
        with pytest.raises(Unauthenticated, match="not known here"):
            await both.caller(bearer(other))


async def test_malformed_bearer_tokens_are_refused(both: Authenticator, token: str) -> None:
    with pytest.raises(Unauthenticated, match="wants a token"):
        await both.caller([("x-token", token)])
    for value in (token, f"Basic {token}", f"Bearer {token} ", f"Bearer {token}, x", "Bearer", ""):
        with pytest.raises(Unauthenticated, match="not one `Bearer TOKEN`") as caught:
            await both.caller([("authorization", value)])
        assert token not in str(caught.value)
    twice = [("authorization", f"Bearer {token}"), ("authorization", "Bearer x")]
    with pytest.raises(Unauthenticated, match="not one"):
        await both.caller(twice)
    with pytest.raises(Unauthenticated, match="not one"):
        await both.caller([("authorization", b"\xff")])


async def test_one_kind_alone(tmp_path: Path, token: str, jwts: JwtVerifier) -> None:
    with pytest.raises(Unauthenticated, match="not known here"):
        await Authenticator(TokenFile(tmp_path / "tokens.yaml"), None).caller(bearer(signed()))
    with pytest.raises(Unauthenticated, match="not known here"):
        await Authenticator(None, jwts).caller(bearer(token))


@pytest.mark.parametrize("token", ["", "hunter2\n", "hunter2 x", "hünter2", "=hunter2"])
def test_an_unsendable_token_is_not_shown(token: str) -> None:
    for given in (token, lambda: token):
        with pytest.raises(InvalidInput, match="token: ") as caught:
            bearer(given)
        assert "unter2" not in str(caught.value)


def test_a_callable_is_asked_at_every_call() -> None:
    tokens = iter(["one", "two"])
    assert bearer(None) == ()
    asked = [bearer(lambda: next(tokens)) for _ in range(2)]
    assert [value for ((_, value),) in asked] == ["Bearer one", "Bearer two"]
