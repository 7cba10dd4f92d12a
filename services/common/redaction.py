"""Credentials never leave the process that uses them.

Two nets: URLs are masked wherever they appear in a text, and a process that
knows a secret masks that very string, in every form in which a library may
echo it.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

MASK = "***"

_USERINFO = re.compile(r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s'\"<>]*@")
_QUERY_SECRET = re.compile(
    r"(?i)(?P<name>[?&;](?:[\w-]*(?:pass(?:word|wd)?|pwd|token|secret|signature|auth|key))=)[^&;\s'\"<>]+"
)
# A password with a space in it ends the match above early; nothing between
# :// and an @ further on is worth showing when a colon says there was one.
_SPACED_USERINFO = re.compile(r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^/'\"<>@]*:[^'\"<>\n]*@")


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` with the credentials of every URL, and every given secret, masked."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    if "://" in text:
        text = _USERINFO.sub(rf"\g<scheme>{MASK}@", text)
        text = _SPACED_USERINFO.sub(rf"\g<scheme>{MASK}@", text)
    if "=" in text:
        text = _QUERY_SECRET.sub(rf"\g<name>{MASK}", text)
    return text


def secrets_of(url: str) -> tuple[str, ...]:
    """The password and the user:password pair of a URL, raw and unquoted, longest first."""
    try:
        parts = urlsplit(url)
        user, password = parts.username or "", parts.password or ""
    except ValueError:
        return (url,)
    found = {password, unquote(password)}
    if password:
        found |= {f"{user}:{password}", f"{unquote(user)}:{unquote(password)}"}
    return tuple(sorted((s for s in found if len(s) > 1), key=len, reverse=True))
