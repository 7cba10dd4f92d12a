"""Camera URLs as people type them: which part is the password, and which the host.

A password may hold any of `@ : / # ? %` as it is, as long as the URL can be read
in one way alone:

    rtsp://admin:pa/ss#w@rd%@10.0.0.7/live

A `%` before two hexadecimal digits begins an encoded sign, as in any URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

_ENDS_HOST = re.compile(r"[/?#]")
_PLACE = re.compile(
    r"(?P<host>\[[^\]\[/?#@]*\]|[^\s/?#@:\[\]]+)(?P<colon>:(?P<port>[0-9]*))?(?=[/?#]|\Z)"
)
_LAST_PORT = 65535
_SAFE = "!$&'()*+,;="
"""Signs that need no encoding in a user or a password; letters, digits and `-._~` need none."""


class Ambiguous(ValueError):
    """A URL can be read in more than one way: a sign in it may end the host, or be a password's."""


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """A network URL, cut where its parts end. `credentials`: as typed; None if there are none."""

    scheme: str
    credentials: str | None
    place: str

    @classmethod
    def read(cls, url: str) -> CameraUrl:
        """Cut a text with `://`, which need not be a URL. Raises `Ambiguous`."""
        scheme, _, rest = url.partition("://")
        authority = _ENDS_HOST.split(rest, maxsplit=1)[0]
        usual = authority.rfind("@")
        # Each later @ may end a password, if a user comes before it and a host after it.
        later = [found.start() for found in re.finditer("@", rest) if ":" in authority]
        later = [at for at in later if at > len(authority) and _host(rest[at + 1 :])]
        plain = [at for at in later if _is_plain(_host(rest[at + 1 :]))]
        host = _host(rest[usual + 1 :], empty_port=not later)
        # In `p@ss/w@10.0.0.7` a word after an @, without a port, is a piece of a password.
        piece = "@" in authority and authority.endswith(f"@{host}") and not _is_plain(host)
        if later and (not host or (plain and piece)):
            choice = plain or later
            if len(choice) > 1:
                raise Ambiguous
            usual = choice[0]
        elif host and plain and not _is_plain(host):
            raise Ambiguous
        return cls(scheme.lower(), rest[:usual] if usual >= 0 else None, rest[usual + 1 :])

    @property
    def encoded_credentials(self) -> str:
        """User and password, with every sign encoded that could be misread; "" for none."""
        user, colon, password = (self.credentials or "").partition(":")
        return f"{_encoded(user)}{colon}{_encoded(password)}"

    @property
    def encoded(self) -> str:
        """The URL with these in place of what was typed."""
        mark = "" if self.credentials is None else "@"
        return f"{self.scheme}://{self.encoded_credentials}{mark}{self.place}"


def doubtful(url: str) -> bool:
    """Whether a password may have been read as host, port and path.

    Of `rtsp://user:12/34@host/s` the host is read as `user`.
    """
    try:
        place = CameraUrl.read(url).place
    except Ambiguous:
        return True
    return "@" in place and ":" in _ENDS_HOST.split(url.partition("://")[2], maxsplit=1)[0]


def _host(text: str, *, empty_port: bool = True) -> str | None:
    """The host that `text` begins with; None if it does not begin with a host and its port."""
    found = _PLACE.match(text)
    if found is None or (found["colon"] and not found["port"] and not empty_port):
        return None
    if found["port"] and int(found["port"][:6]) > _LAST_PORT:
        return None
    return found["host"]


def _is_plain(host: str | None) -> bool:
    """Whether a text can only be a host. A single word may be a user, or part of a password."""
    return host is not None and ("." in host or "[" in host or host.lower() == "localhost")


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe=_SAFE)
