"""A browser's session: the caller's token in a cookie, which counts for the console alone.

The service keeps nothing: the cookie is the token, and no script of a page can read it. Pages of
other origins cannot use it. Their requests come without it (`SameSite=Strict`), or say where they
come from (`Sec-Fetch-Site`), or lack the console's own header, which no form and no picture can
send.
"""

from __future__ import annotations

import base64
import binascii
import json
import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hermes.errors import InvalidInput
from services.web.entrance import SAFE_METHODS

MARK = "Hermes-Console"
"""The header that each changing request with the cookie must have."""
PATH = "/api/v1/"
"""Below it the cookie counts. OpenAI's API and MCP are for other clients than browsers."""
NAME = "hermes-session"
SECURE_NAME = "__Host-hermes-session"
"""Over TLS. Of a cookie with such a name browsers know that this very host has set it."""
LONGEST_TOKEN = 3800
"""Characters. Browsers keep cookies of up to 4096 bytes, name and attributes included."""
REMEMBERED_S = 30 * 86_400
OURS = frozenset({"same-origin", "none"})
"""`Sec-Fetch-Site` of requests by the console itself, or by a person who typed the address."""
LONGEST_NAME = 128

_TOKEN = re.compile(r"[!#-+\--:<-\[\]-~]+")


def token_of(request: Request) -> str | None:
    """The token in the cookie of a request of the console; None if there is none.

    Raises `HTTPException` if the request would change something and does not prove that it is
    the console's.
    """
    if not request.url.path.startswith(PATH):
        return None
    token = request.cookies.get(SECURE_NAME) or request.cookies.get(NAME)
    if not token or request.headers.get("sec-fetch-site", "none") not in OURS:
        return None
    if request.method not in SAFE_METHODS:
        check_mark(request)
    return token


def check_mark(request: Request) -> None:
    """Raises `HTTPException` unless a request that changes something is the console's own."""
    ours = request.headers.get("sec-fetch-site", "none") in OURS
    if not ours or MARK.lower() not in request.headers:
        raise HTTPException(403, f"with the cookie of a session, the header {MARK} is needed")


def begin(request: Request, response: Response, token: str, *, remember: bool) -> None:
    """Have the browser keep the token. Raises `InvalidInput` for one that no cookie can hold."""
    if len(token) > LONGEST_TOKEN:
        raise InvalidInput("token", f"is longer than a cookie can be: {LONGEST_TOKEN} characters")
    if not _TOKEN.fullmatch(token):
        raise InvalidInput("token", "has characters that no token has")
    secure = _is_secure(request)
    response.set_cookie(
        SECURE_NAME if secure else NAME,
        token,
        max_age=REMEMBERED_S if remember else None,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def end(request: Request, response: Response) -> None:
    """Have the browser forget the token."""
    for name, secure in ((NAME, False), (SECURE_NAME, True)):
        if name in request.cookies:
            response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")


def name_in(token: str | None) -> str | None:
    """The subject of a JWT, for people: the gateway has checked it. None for other tokens."""
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        subject = json.loads(payload).get("sub")
    except (ValueError, binascii.Error, AttributeError, RecursionError):
        return None
    if not isinstance(subject, str) or not subject.isprintable():
        return None
    return subject[:LONGEST_NAME] or None


def _is_secure(request: Request) -> bool:
    """Whether the browser speaks TLS, be it with a proxy in front: its `Origin` says so."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
