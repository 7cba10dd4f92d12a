"""Tokens for tests: an issuer of JWTs with its own keys, and static tokens with their file."""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from services.query_gateway.access.token_file import new_token

ISSUER = "https://issuer.test"
AUDIENCE = "hermes-live"


@cache
def key_pair(algorithm: str, number: int = 0) -> Any:
    """A private key. The same one for the same arguments: making one takes a while."""
    if algorithm.startswith(("RS", "PS")):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm.startswith("ES"):
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key_id: str, algorithm: str, number: int = 0) -> dict[str, Any]:
    """The public half, as it stands in a JWKS."""
    public = key_pair(algorithm, number).public_key()
    kind: Any = {"R": RSAAlgorithm, "P": RSAAlgorithm, "E": ECAlgorithm}.get(algorithm[0])
    if algorithm == "EdDSA":
        kind = OKPAlgorithm
    written: dict[str, Any] = kind.to_jwk(public, as_dict=True)
    return {**written, "kid": key_id, "alg": algorithm, "use": "sig"}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """Good ones, with changes. None leaves a claim out."""
    now = int(time.time())
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": now,
        "exp": now + 600,
        "scope": "openid ask:lobby read:lobby",
        **changes,
    }
    return {name: value for name, value in given.items() if value is not None}


def signed(key_id: str = "k1", algorithm: str = "ES256", number: int = 0, **changes: Any) -> str:
    return jwt.encode(
        claims(**changes), key_pair(algorithm, number), algorithm, headers={"kid": key_id}
    )


def write_tokens(path: Path, **scopes: str) -> dict[str, str]:
    """A file of tokens, one a keyword: its name and its scopes in words. The tokens by name."""
    made = {name: new_token(name, words.split()) for name, words in scopes.items()}
    path.write_text("\n".join(line for _, line in made.values()))
    return {name: token for name, (token, _) in made.items()}
