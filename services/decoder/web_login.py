"""Logins: the user and password of a web server, as it wants to be shown them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from urllib.request import parse_http_list, parse_keqv_list

_HASHES: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}


class WebLogin:
    """A user and password. It answers challenges (RFC 7617 Basic, RFC 7616 Digest)."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._digest: dict[str, str] | None = None
        self._basic = False
        self._uses = 0

    def __repr__(self) -> str:
        return "WebLogin()"

    def challenge(self, headers: list[str]) -> bool:
        """Take in the `WWW-Authenticate` headers of a 401. Whether another try is worth it."""
        for header in headers:
            scheme, _, rest = header.strip().partition(" ")
            if scheme.lower() != "digest":
                continue
            asked = {
                key.lower(): value
                for key, value in parse_keqv_list(
                    [item for item in parse_http_list(rest) if "=" in item]
                ).items()
            }
            if _algorithm(asked) is None or not {"realm", "nonce"} <= asked.keys():
                continue
            again = asked.get("stale", "").lower() == "true" or self._digest is None
            self._digest, self._uses = asked, 0
            return again
        known = self._basic or self._digest is not None
        self._basic = any(header.strip().lower().startswith("basic") for header in headers)
        return self._basic and not known

    def header(self, method: str, target: str) -> str | None:
        """The `Authorization` of a request; None until the server has asked for one."""
        if self._digest is not None:
            return self._answer(self._digest, method, target)
        if self._basic:
            pair = f"{self._user}:{self._password}".encode()
            return f"Basic {base64.b64encode(pair).decode()}"
        return None

    def _answer(self, asked: dict[str, str], method: str, target: str) -> str:
        named = _algorithm(asked) or "MD5"
        algorithm = _HASHES[named.removesuffix("-SESS")]

        def digest(text: str) -> str:
            return algorithm(text.encode())

        self._uses += 1
        count, own = f"{self._uses:08x}", secrets.token_hex(8)
        realm, nonce = asked["realm"], asked["nonce"]
        first = digest(f"{self._user}:{realm}:{self._password}")
        if named.endswith("-SESS"):
            first = digest(f"{first}:{nonce}:{own}")
        second = digest(f"{method}:{target}")
        with_quality = "auth" in [word.strip() for word in asked.get("qop", "").split(",")]
        middle = f"{nonce}:{count}:{own}:auth" if with_quality else nonce
        fields = {
            "username": self._user.replace("\\", "\\\\").replace('"', '\\"'),
            "realm": realm,
            "nonce": nonce,
            "uri": target,
            "response": digest(f"{first}:{middle}:{second}"),
        }
        if "opaque" in asked:
            fields["opaque"] = asked["opaque"]
        shown = [f'{key}="{value}"' for key, value in fields.items()]
        if "algorithm" in asked:
            shown.append(f"algorithm={asked['algorithm']}")
        if with_quality:
            shown.append(f'qop=auth, nc={count}, cnonce="{own}"')
        return f"Digest {', '.join(shown)}"


def _algorithm(asked: dict[str, str]) -> str | None:
    """The digest's algorithm; None if it is not known here."""
    name = asked.get("algorithm", "MD5").upper()
    return name if name.removesuffix("-SESS") in _HASHES else None
