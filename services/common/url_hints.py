"""Hints: what a person most likely meant by a URL that cannot be used as it is.

A hint never repeats any part of the URL but its scheme: the rest may be a password.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from services.common.go2rtc import foreign_prefix

ENCODE = (
    "in a user or password write these signs percent-encoded: @ as %40, : as %3A, / as %2F,"
    " ? as %3F, # as %23, % as %25"
)

_SCHEME = r"(?P<scheme>rtsps?|https?)"
_MISTAKES = (
    (re.compile(rf"(?i){_SCHEME}:/(?!/)(?!.*://)"), "has one slash after the colon; write {s}://"),
    (re.compile(rf"(?i){_SCHEME}//"), "lacks the colon; write {s}://"),
    (re.compile(rf"(?i){_SCHEME};/"), "has a semicolon for the colon; write {s}://"),
    (re.compile(rf"(?i){_SCHEME}:?\\\\"), "has backslashes; write {s}:// and / from there on"),
)
_QUOTED = re.compile(r"""["'<\u2018\u201c].*""", re.S)
_WINDOWS = re.compile(r"(?:[A-Za-z]:[\\/]|\\\\)(?!.*://)", re.S)
_ADDRESS = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|www\.[\w.-]+)(?::\d+)?(?:/|$)")


def mistake_in(url: str) -> str | None:
    """What is wrong with a text that is neither a URL nor a file's name; None if it may be one."""
    if (instead := foreign_prefix(url)) is not None:
        return instead
    if _QUOTED.match(url) and "://" in url:
        return "begins with a quote; leave out what is around the URL"
    for pattern, words in _MISTAKES:
        if found := pattern.match(url):
            return words.format(s=found["scheme"].lower())
    if _WINDOWS.match(url):
        return (
            "is a path of Windows; give the file's path below the media folder, with /"
            " (or ./ before a file whose name looks so)"
        )
    if _ADDRESS.match(url):
        return (
            "is a URL without a scheme; write rtsp://, rtsps://, http:// or https:// before it"
            " (or ./ before the name of a file)"
        )
    return None


def nearest_scheme(scheme: str, allowed: Iterable[str]) -> str | None:
    """The allowed scheme that was most likely meant by a misspelt one."""
    near = difflib.get_close_matches(scheme.lower(), sorted(allowed), n=1, cutoff=0.7)
    return near[0] if near else None
