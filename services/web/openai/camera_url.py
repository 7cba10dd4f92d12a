"""Cameras as URLs: `camera://lobby?last=10m`, `camera://?label=site%3Ddock`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from hermes.client import AskedSpan, between, in_file, last
from hermes.durations import read_duration
from hermes.errors import InvalidInput
from hermes.selector import Selector
from services.web.moments import moment_of

SCHEME = "camera"
EXAMPLE = "camera://lobby, camera://lobby?last=10m or camera://?label=site%3Ddock"
KINDS = {
    "last": ("last",),
    "from and to": ("from", "to"),
    "media_from and media_to": ("media_from", "media_to"),
}
KNOWN = frozenset({"label", *(name for names in KINDS.values() for name in names)})
MAX_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """Which cameras are meant, and which span of time: one id, or a selector of labels."""

    camera_id: str
    selector: str
    span: AskedSpan | None


def read_camera_url(url: str, field: str) -> CameraUrl:
    """Read one. Raises `InvalidInput` for `field`, which says what to write instead."""
    if len(url) > MAX_CHARACTERS:
        raise InvalidInput(field, "is too long for the URL of a camera")
    try:
        parts = urlsplit(url)
        given = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise InvalidInput(field, f"cannot be read: write {EXAMPLE}") from None
    if parts.scheme != SCHEME or not url.lower().startswith("camera://"):
        raise InvalidInput(
            field, f"is no camera: videos cannot be sent, cameras are asked: {EXAMPLE}"
        )
    if parts.path.strip("/") or parts.fragment:
        raise InvalidInput(field, f"has a path or a fragment: write {EXAMPLE}")
    if unknown := sorted(given.keys() - KNOWN):
        raise InvalidInput(field, f"{unknown[0]!r} is unknown: {', '.join(sorted(KNOWN))}")
    camera_id = unquote(parts.netloc)
    selector = ",".join(label for label in given.pop("label", []) if label)
    if bool(camera_id) == bool(selector):
        raise InvalidInput(field, f"names one camera, or labels, and not both: {EXAMPLE}")
    try:
        Selector.parse(selector)
    except InvalidInput as error:
        raise InvalidInput(f"{field}?label", error.message) from None
    for name, values in given.items():
        if len(values) > 1:
            raise InvalidInput(f"{field}?{name}", "is given twice")
    return CameraUrl(camera_id, selector, _span({k: v[0] for k, v in given.items()}, field))


def _span(given: dict[str, str], field: str) -> AskedSpan | None:
    kinds = [kind for kind, names in KINDS.items() if any(name in given for name in names)]
    if len(kinds) > 1:
        raise InvalidInput(field, f"has {kinds[0]} together with {kinds[1]}: use one of them")
    if "last" in given:
        return last(seconds=read_duration(given["last"], f"{field}?last"))
    if "from" in given or "to" in given:
        ends = [
            None if name not in given else moment_of(given[name], f"{field}?{name}")
            for name in ("from", "to")
        ]
        return between(*ends)
    if "media_from" in given or "media_to" in given:
        places = [
            None if name not in given else _seconds(given[name], f"{field}?{name}")
            for name in ("media_from", "media_to")
        ]
        return in_file(*places)
    return None


def _seconds(text: str, field: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(field, "is no number of seconds from the start of the file") from None
