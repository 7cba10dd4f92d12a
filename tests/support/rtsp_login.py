"""How an RTSP camera of the tests asks for a password, and whether an answer holds it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

REALM, NONCE = "cameras", "abc123"
_HASHES = {"": hashlib.md5, "MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass(frozen=True)
class Login:
    """`kinds`: what is offered, in this order: `Basic`, `Digest`, `Digest MD5`, `Digest SHA-256`.

    An answer is right in any kind that is offered.
    """

    user: str
    password: str
    kinds: tuple[str, ...]

    def challenges(self) -> list[str]:
        """The headers that ask for a password."""
        lines = []
        for kind in self.kinds:
            scheme, _, algorithm = kind.partition(" ")
            line = f'WWW-Authenticate: {scheme} realm="{REALM}"'
            line += f', nonce="{NONCE}"' if scheme == "Digest" else ""
            lines.append(line + (f", algorithm={algorithm}" if algorithm else ""))
        return lines

    def fits(self, header: str, method: str, url: str) -> bool:
        """Whether an `Authorization` header holds the right password."""
        if header.startswith("Basic "):
            pair = base64.b64decode(header[6:]).decode()
            return "Basic" in self.kinds and pair == f"{self.user}:{self.password}"
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', header.removeprefix("Digest ")))
        kind = f"Digest {fields.get('algorithm', '')}".strip()
        if kind not in self.kinds:
            return False

        def hashed(text: str) -> str:
            return _HASHES[fields.get("algorithm", "")](text.encode()).hexdigest()

        own = hashed(f"{self.user}:{REALM}:{self.password}")
        right = hashed(f"{own}:{NONCE}:{hashed(f'{method}:{url}')}")
        return fields.get("username") == self.user and fields.get("response") == right
