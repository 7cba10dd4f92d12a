"""Verifies JSON Web Tokens: signature, issuer, audience and time."""

from __future__ import annotations

from typing import Any

import jwt

from hermes.errors import Unauthenticated
from services.query_gateway.access.jwks import ALGORITHMS, KeySet
from services.query_gateway.access.scopes import Caller, Scope
from services.query_gateway.access.token_limits import TokenLimits

LEEWAY_S = 10
"""How far the issuer's clock may be from ours."""
MAX_SUBJECT_CHARS = 256
NEEDED = ["exp", "iss", "aud", "sub"]

_REASONS: list[tuple[type[jwt.PyJWTError], str]] = [
    (jwt.ExpiredSignatureError, "has expired"),
    (jwt.ImmatureSignatureError, "is not valid yet"),
    (jwt.InvalidIssuerError, "comes from another issuer"),
    (jwt.InvalidAudienceError, "is meant for another audience"),
    (jwt.MissingRequiredClaimError, f"lacks one of the claims {', '.join(NEEDED)}"),
]
_UNVERIFIED = "cannot be verified"


class JwtVerifier:
    """Identifies callers by their JWT."""

    def __init__(
        self,
        keys: KeySet,
        *,
        issuer: str,
        audience: str,
        scope_claim: str = "scope",
        limits_claim: str = "hermes_limits",
    ) -> None:
        self.keys = keys
        self._issuer = issuer
        self._audience = audience
        self._scope_claim = scope_claim
        self._limits_claim = limits_claim

    async def caller(self, token: str) -> Caller:
        """The token's subject. Raises `Unauthenticated` with the reason, or `Unavailable`."""
        key = await self.keys.key(_key_id(token))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],  # the key's, not the one the token names
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": NEEDED, "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:
            # The message is ours: the library's may quote an unverified token.
            raise _refusal(
                next((why for kind, why in _REASONS if isinstance(error, kind)), _UNVERIFIED)
            ) from None
        subject = claims["sub"]
        if not 0 < len(subject) <= MAX_SUBJECT_CHARS:
            raise _refusal(f"has no subject of 1 to {MAX_SUBJECT_CHARS} characters")
        try:
            limits = TokenLimits.parse(claims.get(self._limits_claim))
        except ValueError as error:
            # A limit that the issuer meant and that is not understood must not be lifted.
            raise _refusal(
                f"has limits ({self._limits_claim}) that make no sense: {error}"
            ) from None
        return Caller(f"jwt:{subject}", scopes_of(claims.get(self._scope_claim)), limits)


def scopes_of(claim: Any) -> tuple[Scope, ...]:
    """Our scopes in a claim, which is a string of words (RFC 8693) or a list of strings."""
    words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    found = []
    for word in words:
        try:
            found.append(Scope.parse(str(word)))
        except ValueError:
            continue  # a scope of another service
    return tuple(found)


def _key_id(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise _refusal("is not known here") from None
    if str(header.get("alg")) not in ALGORITHMS:
        raise _refusal(f"is not signed with one of {', '.join(sorted(ALGORITHMS))}")
    key_id = header.get("kid")
    if not isinstance(key_id, str):
        raise _refusal("does not name the key (kid) that it is signed with")
    return key_id


def _refusal(why: str) -> Unauthenticated:
    return Unauthenticated(f"the token {why}")
