"""Errors of the REST API: problem details (RFC 9457), with the gRPC code and the field."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.responses import Response

from hermes.errors import HermesError, InvalidInput
from hermes.statuses import code_of
from services.web.statuses import CODES, headers_of, status_of

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:hermes:problem:"


class Problem(BaseModel):
    """Why a request did not succeed."""

    type: str = Field(description="urn:hermes:problem: and the reason")
    title: str = Field(description="The status in words")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="What is wrong, and what to do about it, for people")
    code: str = Field(description="The gRPC code, e.g. NOT_FOUND")
    reason: str = Field(description="For programs, e.g. CAMERA_NOT_FOUND")
    field: str | None = Field(None, description="The field that cannot be used")
    camera_id: str | None = Field(None, description="The camera that it is about")
    retry_after_s: float | None = Field(None, description="The same request may succeed then")


def problem_of(error: HermesError) -> Problem:
    """What the gateway, or the client, said."""
    status = status_of(error)
    return Problem(
        type=TYPE + error.reason,
        title=HTTPStatus(status).phrase,
        status=status,
        detail=str(error),
        code=code_of(error).name,
        reason=error.reason,
        field=error.field if isinstance(error, InvalidInput) else None,
        camera_id=getattr(error, "camera_id", None),
        retry_after_s=getattr(error, "retry_after_s", None),
    )


def refusal(status: int, detail: str, *, field: str | None = None) -> Problem:
    """What this service refuses by itself."""
    phrase = HTTPStatus(status).phrase
    code = CODES.get(status)
    return Problem(
        type=TYPE + phrase.upper().replace(" ", "_"),
        title=phrase,
        status=status,
        detail=detail,
        code="INTERNAL" if code is None else code.name,
        reason="INVALID_INPUT" if field else phrase.upper().replace(" ", "_"),
        field=field,
    )


def response_of(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The problem as a response."""
    return Response(
        to_json(problem.model_dump(exclude_none=True)),
        problem.status,
        {**(headers or {}), "Cache-Control": "no-store"},
        MEDIA_TYPE,
    )


def error_response(error: HermesError) -> Response:
    """An error of the gateway as a response."""
    return response_of(problem_of(error), headers_of(error))


def fault_of(errors: Sequence[Any]) -> InvalidInput:
    """The first fault of a request's parameters or body, as the error that names the field."""
    first = errors[0]
    path = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    message = str(first["msg"]).removeprefix("Value error, ")
    return InvalidInput(path or "body", message[:1].lower() + message[1:])


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route, for its description. Those that any call may end in are added."""
    usual = (400, 401, 403, 408, 413, 421, 429, 500, 501, 503, 504)
    return {
        status: {
            "model": Problem,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*usual, *statuses})
    }
