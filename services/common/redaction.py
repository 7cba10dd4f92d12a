"""Credentials never leave the process that uses them.

Two nets: URLs are masked wherever they appear in a text, and a process that
knows a secret masks that very string, in every form in which a library may
echo it. Where the two readings of a text differ, more is masked: a host name
too few in a log line can be borne, a password too many cannot.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MASK = "***"

_NAMES = r"[\w.-]*(?:pass(?:word|wd|phrase)?|pwd|token|secret|signature|sig|auth|credentials?|key)"
_QUERY_SECRET = re.compile(rf"(?i)(?P<name>[?&;#]{_NAMES}=)(?P<value>[^&;#\s]+)")
_WORD = re.compile(r"\S+")


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` with the credentials of every URL, and every given secret, masked."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    if "://" in text and "@" in text:
        text = _WORD.sub(lambda word: _mask_word(word[0]), text)
        text = "\n".join(map(_mask_spaced, text.split("\n")))
    if "=" in text:
        text = _QUERY_SECRET.sub(rf"\g<name>{MASK}", text)
    return text


def secrets_of(url: str) -> tuple[str, ...]:
    """What a library may echo of a URL's credentials, longest first.

    The password, the user:password pair, its form in a Basic header, and
    secret query parameters, each as written, decoded, and encoded again.
    """
    _, separator, rest = url.partition("://")
    found: set[str] = set()
    if separator:
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        # A raw slash in a password ends the authority early.
        userinfo = (authority if "@" in authority else rest).rpartition("@")[0]
        user, colon, password = userinfo.partition(":")
        pairs = {(user, password), (unquote(user), unquote(password))}
        if colon:
            found |= _forms(password)
            for pair in pairs:
                found.add(":".join(pair))
                found.add(base64.b64encode(":".join(pair).encode()).decode())
        else:
            found |= _forms(user)
    for match in _QUERY_SECRET.finditer(url):
        found |= _forms(match["value"])
    return tuple(sorted((s for s in found if len(s) > 1), key=lambda s: (-len(s), s)))


def _forms(secret: str) -> set[str]:
    plain = {secret, unquote(secret), unquote_plus(secret)}
    return plain | {encode(s, safe="") for s in plain for encode in (quote, quote_plus)}


def _mask_word(word: str) -> str:
    """Mask from `://` to the last `@`: a password may hold any of `/?#'"@`."""
    end = word.rfind("@")
    start = word.find("://")
    while 0 <= start < end:
        if not word[:start].lower().endswith("file"):  # a file has no credentials
            return word[: start + 3] + MASK + word[end:]
        start = word.find("://", start + 3)
    return word


def _mask_spaced(line: str) -> str:
    """Mask what a password with a space in it left over.

    Nothing between `://` and an `@` further on is worth showing when a colon
    says that there was a password.
    """
    end = line.rfind("@")
    start = line.find("://")
    while 0 <= start < end:
        head = re.split(r"[/@]", line[start + 3 : end + 1], maxsplit=1)[0]
        if ":" in head:
            return line[: start + 3] + MASK + line[end:]
        start = line.find("://", start + 3)
    return line
