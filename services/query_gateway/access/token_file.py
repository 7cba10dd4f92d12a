"""Static tokens: a YAML file of their hashes, read again when it changes.

    - {"name": "front-desk", "sha256": "9f86d0...", "scopes": ["ask:lobby", "read:lobby"]}
    - {"name": "wall", "sha256": "60303a...", "scopes": ["read:*"], "expires": "2027-01-01T00:00Z"}
    - {"name": "guest", "sha256": "1b4f0e...", "scopes": ["ask:*"], "limits": {"followers": 2}}

Tokens are long and random (`hermes token` makes them), so a plain hash does not
reveal them. A hash of a password would.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from hermes.errors import InvalidInput, Unauthenticated
from services.common import logs
from services.query_gateway.access.scopes import Caller, Scope
from services.query_gateway.access.token_limits import NONE, TokenLimits

log = logs.get(__name__)

REREAD_EVERY_S = 2.0
MAX_BYTES = 1 << 20
MAX_TOKENS = 1000
"""Every call is compared with every token. Use JWTs for more callers."""

PREFIX = "hermes_"
"""Lets scanners for leaked secrets recognise a token."""
RANDOM_BYTES = 32


def _parse_scope(text: Any) -> Scope:
    return Scope.parse(str(text))


class Entry(BaseModel):
    """One token, by its hash."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: tuple[Annotated[Scope, BeforeValidator(_parse_scope)], ...]
    expires: AwareDatetime | None = None
    limits: TokenLimits = NONE


_ENTRIES = TypeAdapter(Annotated[tuple[Entry, ...], Field(max_length=MAX_TOKENS)])


def hash_of(token: str) -> str:
    """The hash of a token in the file: SHA-256, as 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token(
    name: str,
    scopes: list[str],
    expires: datetime | None = None,
    limits: Mapping[str, float] | None = None,
) -> tuple[str, str]:
    """Make a token and its line for the file. `limits`: as in `TokenLimits`. Raises
    `InvalidInput`.
    """
    token = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    entry: dict[str, Any] = {"name": name, "sha256": hash_of(token), "scopes": scopes}
    if expires is not None:
        entry["expires"] = expires.isoformat(timespec="seconds")
    if limits:
        entry["limits"] = dict(limits)
    line = f"- {json.dumps(entry)}"
    parse(line.encode(), "token")
    return token, line


def parse(raw: bytes, path: str) -> tuple[Entry, ...]:
    """Parse the file's tokens. Raises `InvalidInput` with the fault, but without hashes."""
    if len(raw) > MAX_BYTES:
        raise InvalidInput(path, f"is larger than {MAX_BYTES} bytes")
    try:
        listed = yaml.safe_load(raw.decode())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise InvalidInput(path, f"is not YAML{where}") from None
    try:
        entries = _ENTRIES.validate_python(listed or [])
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc'])) or 'the file'}:"
            f" {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_url=False, include_input=False)[:5]
        ]
        raise InvalidInput(path, "; ".join(problems)) from None
    if len({entry.sha256 for entry in entries}) < len(entries):
        raise InvalidInput(path, "one token is in it twice: its scopes belong on one line")
    return entries


class TokenFile:
    """The tokens of a file."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Raises `InvalidInput` or OSError. `clock`: seconds since the Unix epoch."""
        self._path = path
        self._clock = clock
        self._seen = path.read_bytes()
        self._entries = parse(self._seen, str(path))
        self._complaint = ""

    def caller(self, token: str) -> Caller | None:
        """The token's owner; None if the token is unknown. Raises `Unauthenticated` if expired."""
        sha256, found = hash_of(token), None
        for entry in self._entries:  # all of them, so that the time taken reveals nothing
            if hmac.compare_digest(entry.sha256, sha256):
                found = entry
        if found is None:
            return None
        if found.expires is not None and found.expires.timestamp() <= self._clock():
            raise Unauthenticated("the token has expired; ask its issuer for a new one")
        return Caller(f"token:{found.name}", found.scopes, found.limits)

    def reread(self) -> None:
        """Read the file again if it changed. If it cannot be used, the old tokens stay.

        To be called every `REREAD_EVERY_S`, on a thread.
        """
        try:
            raw = self._path.read_bytes()
            if raw == self._seen:
                self._complaint = ""
                return
            entries = parse(raw, str(self._path))
        except (OSError, InvalidInput) as error:
            if str(error) != self._complaint:
                log.error("tokens_file_unusable", error=str(error), kept=len(self._entries))
                self._complaint = str(error)
            return
        self._seen, self._entries, self._complaint = raw, entries, ""
        log.info("tokens_file_read", tokens=len(entries))
