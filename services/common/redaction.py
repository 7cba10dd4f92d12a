"""Credentials never leave the process that uses them.

There are two measures. Credentials in URLs are masked wherever they appear in a
text. And a process that knows a secret masks that string, in every form in which
a library may echo it. In case of doubt it masks more: a log line may lose a host
name, but must not show a password.
"""

from __future__ import annotations

import base64
import re
import traceback
from pathlib import PurePath
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from services.common.camera_url import doubtful

MASK = "***"

_NAMES = r"(?:pass(?:word|wd|phrase)?|pwd|pin|token|secret|signature|sig|auth|credentials?|key)"
_QUERY_SECRET = re.compile(rf"(?i)(?P<name>[?&;#/][\w.-]*{_NAMES}=)(?P<value>[^&;#\s]+)")
_QUERY_VALUE = re.compile(r"(?P<name>[?&][\w.\-\[\]%]+=)(?P<value>[^&;#\s]+)")
_PARAMETER = re.compile(r"(?P<mark>[?&;#])(?P<name>[^=&;#]*)(?P<value>=[^&;#]*)?")
_SECRET_SEGMENT = re.compile(rf"(?i)[\w.-]*{_NAMES}")
_WORD = re.compile(r"\S+")
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[^/?#]*)(?P<rest>.*)", re.S)

_ENDS = "'\"`,.:!)]}>"
"""Characters that end a URL in a text. An `=` before one is padding, not the end of a name."""

_MIN_TOKEN_CHARS = 16
_MIN_CHANGES = 5
"""Changes between letters, capitals and digits. `h264Preview_01_main` has four."""
_MIN_RUN_CHARS = 32
_MIN_ECHO_CHARS = 6
"""Shorter values of ordinary parameters are masked only in URLs: they match too much elsewhere."""


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` without credentials.

    Masked are every given secret and, of every URL, the user and password, the
    values of all parameters (their names stay), and the parts of the path that
    look like a token.
    """
    for secret in secrets:
        text = text.replace(secret, MASK)
    if "://" in text:
        if "@" in text:
            text = _WORD.sub(lambda word: _mask_word(word[0]), text)
            text = "\n".join(map(_mask_spaced, text.split("\n")))
        text = _WORD.sub(lambda word: _mask_address(word[0]), text)
    if "=" in text:
        text = _QUERY_VALUE.sub(rf"\g<name>{MASK}", text)
        text = _QUERY_SECRET.sub(rf"\g<name>{MASK}", text)
    return text


def secrets_of(url: str) -> tuple[str, ...]:
    """The strings in which a library may echo a URL's credentials, longest first.

    The password, the user:password pair, its form in a Basic header, and
    secret parameters and parts of the path, each as written, decoded, and
    encoded again.
    """
    _, separator, rest = url.partition("://")
    found: set[str] = set()
    if separator:
        for userinfo in _userinfos(rest):
            user, colon, password = userinfo.partition(":")
            pairs = {(user, password), (unquote(user), unquote(password))}
            found |= _forms(password if colon else user)
            for pair in pairs if colon else ():
                found.add(":".join(pair))
                found.add(base64.b64encode(":".join(pair).encode()).decode())
        path = re.split(r"[?#]", rest.rpartition("@")[2], maxsplit=1)[0]
        for segment, secret in _judged(path.split("/")[1:]):
            if secret:
                found |= _forms(segment)
    for match in _QUERY_SECRET.finditer(url):
        found |= _forms(match["value"])
    for match in _QUERY_VALUE.finditer(url):
        if len(match["value"]) >= _MIN_ECHO_CHARS:
            found |= _forms(match["value"])
    return tuple(sorted((s for s in found if len(s) > 1), key=lambda s: (-len(s), s)))


def _userinfos(rest: str) -> set[str]:
    """What may be user and password in a URL without its scheme."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A raw / ? or # in a password ends the authority early: all up to the last @ may be meant.
    longest = rest.rpartition("@")[0]
    found = {authority.rpartition("@")[0], longest if ":" in authority else ""} - {""}
    if doubtful(f"://{rest}"):  # what is read as host, port and path may be its pieces
        user, _, password = longest.partition(":")
        found |= {f"{user}:{piece}" for piece in re.split(r"[/?#@:]", password)}
    return found or {longest}


def lacks_scheme(url: str) -> bool:
    """Whether the text is a URL without its scheme, such as `user:password@host/x`.

    Such a text must not be used as a file name, because errors and logs show file
    names. Write `./` before a file name that only looks like a URL.
    """
    if "://" in url:
        return False
    forms = (url, unquote(url))
    return any(pattern.match(form) for form in forms for pattern in _WITHOUT_SCHEME)


_WITHOUT_SCHEME = (
    re.compile(r"//"),
    re.compile(r"(?![A-Za-z]:[\\/])[^/\\]+:.*@", re.S),  # user:password@host, not C:\a@b
    re.compile(r"[^/\\\s]+@[^/\\\s]+:"),  # user@host:port
    re.compile(r"[\w.-]+:\d{1,5}(?:/|$)"),  # host:port/path
    re.compile(r"\[[0-9A-Fa-f:.]+\]"),  # [IPv6]
    re.compile(r"(?i)(?:rtsps?|https?):"),
)


def _forms(secret: str) -> set[str]:
    plain = {secret, unquote(secret), unquote_plus(secret)}
    return plain | {encode(s, safe="") for s in plain for encode in (quote, quote_plus)}


def _mask_word(word: str) -> str:
    """Mask from `://` to the last `@`: a password may hold any of `/?#'"@`."""
    end = word.rfind("@")
    start = word.find("://")
    while 0 <= start < end:
        # A file has no credentials; a host after file:// may.
        if not (word[:start].lower().endswith("file") and word[start + 3] == "/"):
            return word[: start + 3] + MASK + word[end:]
        start = word.find("://", start + 3)
    return word


def _mask_spaced(line: str) -> str:
    """Mask the rest of a password that contains a space.

    If a colon after `://` suggests a password, everything up to the last `@` is
    masked.
    """
    end = line.rfind("@")
    start = line.find("://")
    while 0 <= start < end:
        head = re.split(r"[/@]", line[start + 3 : end + 1], maxsplit=1)[0]
        if ":" in head:
            return line[: start + 3] + MASK + line[end:]
        start = line.find("://", start + 3)
    return line


def _mask_address(word: str) -> str:
    """Mask the parameters of a URL, and the parts of its path that look like a token."""
    match = _ADDRESS.search(word)
    if match is None or (match["scheme"].lower().endswith("file") and not match["host"]):
        return word
    path, mark, parameters = _split_at_parameters(match["rest"])
    masked = "/".join(MASK if secret else part for part, secret in _judged(path.split("/")))
    parameters = _PARAMETER.sub(_mask_parameter, mark + parameters)
    return f"{word[: match.start('rest')]}{masked}{parameters}"


def _split_at_parameters(text: str) -> tuple[str, str, str]:
    found = re.search(r"[?;#]", text)
    return (
        (text, "", "") if found is None else (text[: found.start()], found[0], text[found.end() :])
    )


def _mask_parameter(match: re.Match[str]) -> str:
    mark, name, value = match["mark"], match["name"], match["value"] or ""
    after = value.lstrip("=")
    if after and after[0] not in _ENDS:
        return f"{mark}{name}={MASK}"
    return f"{mark}{MASK}" if name else match[0]


def _judged(segments: list[str]) -> list[tuple[str, bool]]:
    """Each part of a path, and whether it looks like a secret or follows a secret's name."""
    return [
        (segment, bool(segment) and (_is_token(segment) or bool(_SECRET_SEGMENT.fullmatch(before))))
        for before, segment in zip(["", *segments], segments, strict=False)
    ]


def _is_token(segment: str) -> bool:
    """Whether a part is long and mixes letters, capitals and digits more than words do."""
    plain = re.sub(r"[^A-Za-z0-9]", "", unquote(segment))
    if len(plain) < _MIN_TOKEN_CHARS:
        return False
    changes = len(
        re.findall(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])", plain)
    )
    longest_run = max(map(len, re.findall(r"[A-Za-z0-9]+", unquote(segment))))
    return longest_run >= _MIN_RUN_CHARS or changes >= max(_MIN_CHANGES, len(plain) / 6)


def places(error: BaseException) -> list[str]:
    """Where an error comes from, innermost first: file, line and function, but no value."""
    frames = traceback.extract_tb(error.__traceback__)
    return [
        f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[::-1]
    ]
