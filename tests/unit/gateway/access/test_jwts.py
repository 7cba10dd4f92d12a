"""Which JWTs are accepted, and why others are refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.errors import Unauthenticated
from services.query_gateway.access.jwks import KeySet
from services.query_gateway.access.jwts import JwtVerifier, scopes_of
from services.query_gateway.access.scopes import Action
from tests.support.examples import at_most
from tests.support.tokens import AUDIENCE, ISSUER, claims, jwk, jwks, key_pair, signed

SECRET = b"a secret of thirty-two bytes or more"
OCT = {
    "kty": "oct", "kid": "shared", "alg": "HS256", "use": "sig",
    "k": base64.urlsafe_b64encode(SECRET).decode().rstrip("="),
}  # fmt: skip
KEYS = jwks(
    jwk("k1", "ES256"), jwk("rsa", "RS256"), jwk("pss", "PS256"), jwk("ed", "EdDSA"),
    {**jwk("sealing", "RS256", 1), "use": "enc"}, OCT,
)  # fmt: skip


def verifier(**changes: str) -> JwtVerifier:
    """With its own set of keys, which belongs to the running loop."""
    keys = KeySet(lambda: KEYS, refetch_s=30)
    return JwtVerifier(keys, **{"issuer": ISSUER, "audience": AUDIENCE, **changes})


@pytest.mark.parametrize(
    ("key_id", "algorithm"),
    [("k1", "ES256"), ("rsa", "RS256"), ("pss", "PS256"), ("ed", "EdDSA")],
)
async def test_a_valid_token_identifies_its_subject(key_id: str, algorithm: str) -> None:
    caller = await verifier().caller(signed(key_id, algorithm))
    assert caller.who == "jwt:alice"
    assert caller.may(Action.ASK, "lobby")
    assert not caller.may(Action.ADMIN, "lobby")


def part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def hmac_signed(key: bytes, key_id: str) -> str:
    """A token that an attacker could make; the library would refuse to."""
    start = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': key_id})}.{part(claims())}"
    signature = hmac.new(key, start.encode(), hashlib.sha256).digest()
    return f"{start}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def tampered(token: str, **changes: Any) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{part(claims(**changes))}.{signature}"


def public_pem(algorithm: str) -> bytes:
    key = key_pair(algorithm).public_key()
    pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def in_(seconds: int) -> int:
    return int(time.time()) + seconds


# Made when the test runs: they age.
REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: signed(exp=in_(-60)), "has expired"),
    "not-yet": (lambda: signed(nbf=in_(60)), "is not valid yet"),
    "from-the-future": (lambda: signed(iat=in_(60)), "is not valid yet"),
    "issuer": (lambda: signed(iss="https://other.test"), "another issuer"),
    "audience": (lambda: signed(aud="hermes"), "another audience"),
    "audiences": (lambda: signed(aud=["a", "b"]), "another audience"),
    "no-expiry": (lambda: signed(exp=None), "lacks one of the claims"),
    "no-audience": (lambda: signed(aud=None), "lacks one of the claims"),
    "no-issuer": (lambda: signed(iss=None), "lacks one of the claims"),
    "no-subject": (lambda: signed(sub=None), "lacks one of the claims"),
    "empty-subject": (lambda: signed(sub=""), "no subject of 1 to 256"),
    "long-subject": (lambda: signed(sub="x" * 257), "no subject of 1 to 256"),
    "none": (
        lambda: jwt.encode(claims(), "", algorithm="none", headers={"kid": "k1"}),
        "is not signed with one of",
    ),
    "public-key-as-secret": (
        lambda: hmac_signed(public_pem("RS256"), "rsa"),
        "is not signed with one of",
    ),
    "secret-in-the-set": (lambda: hmac_signed(SECRET, "shared"), "is not signed with one of"),
    "unknown-key": (lambda: signed("k2", number=1), "a key that is not known"),
    "another-key": (lambda: signed("k1", number=1), "cannot be verified"),
    "key-of-another-kind": (lambda: signed("rsa", "ES256"), "cannot be verified"),
    "algorithm-of-another": (lambda: signed("rsa", "PS256"), "cannot be verified"),
    "key-for-sealing": (lambda: signed("sealing", "RS256", 1), "a key that is not known"),
    "no-key-id": (
        lambda: jwt.encode(claims(), key_pair("ES256"), "ES256"),
        "does not name the key",
    ),
    "tampered": (lambda: tampered(signed(), scope="admin:*"), "cannot be verified"),
    "unsigned": (lambda: signed().rsplit(".", 1)[0] + ".", "cannot be verified"),
    "nonsense": (lambda: "a.b.c", "is not known here"),
    "deep": (
        lambda: base64.urlsafe_b64encode(b"[" * 6000).decode() + ".b.c",
        "is not known here",
    ),
    "list-as-algorithm": (
        lambda: f"{part({'alg': ['ES256'], 'kid': 'k1'})}.e30.eA",
        "is not signed with one of",
    ),
}


@pytest.mark.parametrize(("make", "reported"), REFUSED.values(), ids=REFUSED)
async def test_invalid_tokens_are_refused_with_the_reason(
    make: Callable[[], str], reported: str
) -> None:
    token = make()
    with pytest.raises(Unauthenticated, match=reported) as caught:
        await verifier().caller(token)
    assert token not in str(caught.value)


async def test_clocks_may_differ_a_little() -> None:
    await verifier().caller(signed(exp=in_(-5), nbf=in_(5)))


async def test_scopes_may_be_in_another_claim() -> None:
    token = signed(scope=None, scp=["ask:dock-*", "email"])
    caller = await verifier(scope_claim="scp").caller(token)
    assert caller.may(Action.ASK, "dock-1")
    assert not (await verifier().caller(token)).scopes


@pytest.mark.parametrize("claim", [None, 5, {"ask:*": True}, "", "openid", [["ask:*"], 5, None]])
def test_claims_without_a_scope_give_none(claim: Any) -> None:
    assert scopes_of(claim) == ()


@settings(max_examples=at_most(30), deadline=None)
@given(st.integers(0, 10_000), st.sampled_from("AZaz09-_."))
async def test_a_token_with_one_changed_character_is_refused(place: int, character: str) -> None:
    """In header, claims and signature alike; but for spare bits of the encoding."""
    token = signed()
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    before, after = token.split("."), changed.split(".")
    if len(after) == 3 and all(
        base64.urlsafe_b64decode(one + "==") == base64.urlsafe_b64decode(other + "==")
        for one, other in zip(before, after, strict=True)
    ):
        return
    with pytest.raises(Unauthenticated):
        await verifier().caller(changed)


@settings(max_examples=at_most(50), deadline=None)
@given(st.text(st.characters(codec="ascii"), max_size=200))
async def test_nonsense_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier().caller(text)
