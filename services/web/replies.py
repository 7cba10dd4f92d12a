"""Records as JSON, and pictures, as responses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from fastapi import Request
from pydantic_core import to_json
from starlette.responses import Response

JPEG = "image/jpeg"
FOR_EVER = "private, max-age=31536000, immutable"
CHECK_FIRST = "private, no-cache"
"""A cache asks before it shows it again, with the ETag."""


def reply(record: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A record of the client as JSON: times as ISO 8601, bytes in base64."""
    body = to_json(record, bytes_mode="base64", inf_nan_mode="null")
    return Response(body, status, headers, "application/json")


def picture(
    request: Request,
    data: bytes,
    tag: str,
    *,
    captured: datetime | None = None,
    cache: str = CHECK_FIRST,
    media_type: str = JPEG,
) -> Response:
    """A picture, or 304 if the client has it. `tag`: the same for the same picture."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": cache}
    if captured is not None:
        headers["Last-Modified"] = format_datetime(captured.astimezone(UTC), usegmt=True)
        headers["Hermes-Captured"] = captured.isoformat()
    known = request.headers.get("if-none-match", "")
    if known == "*" or headers["ETag"] in {
        one.strip().removeprefix("W/") for one in known.split(",")
    }:
        return Response(status_code=304, headers=headers)
    return Response(data, 200, headers, media_type)


def described(media_type: str, what: str) -> dict[str, Any]:
    """Status 200 of a route that does not answer with JSON."""
    schema: dict[str, Any] = {"type": "string", "contentMediaType": media_type}
    return {"description": what, "content": {media_type: {"schema": schema}}}
