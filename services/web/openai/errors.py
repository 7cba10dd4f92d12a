"""Errors as OpenAI's clients read them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.responses import Response

from hermes.errors import HermesError, InvalidInput
from hermes.statuses import code_of
from services.web.openai.asking import OURS
from services.web.openai.request import UnknownModel
from services.web.statuses import CODES, headers_of, status_of

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class ErrorDetails(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None
    grpc_code: str


class ErrorBody(BaseModel):
    """An error as OpenAI's clients read it."""

    error: ErrorDetails


def documented() -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for its description."""
    statuses = (400, 401, 403, 404, 408, 409, 413, 421, 429, 500, 501, 503, 504)
    return {
        status: {"model": ErrorBody, "description": HTTPStatus(status).phrase}
        for status in statuses
    }


def type_of(status: int) -> str:
    """The word for a status."""
    return TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


def error_body(error: HermesError) -> dict[str, Any]:
    """`{"error": ...}` of an error; in a stream, too."""
    field, message = None, str(error)
    if isinstance(error, InvalidInput):
        field = OURS.get(error.field, error.field)
        message = f"{field}: {error.message}"
    return _body(_status(error), message, field, error.reason, code_of(error).name, error)


def _body(
    status: int, message: str, field: str | None, reason: str, code: str, error: HermesError | None
) -> dict[str, Any]:
    return {
        "error": {
            "message": message,
            "type": type_of(status),
            "param": field,
            "code": "model_not_found" if isinstance(error, UnknownModel) else reason,
            "grpc_code": code,
        }
    }


def _status(error: HermesError) -> int:
    return 404 if isinstance(error, UnknownModel) else status_of(error)


def error_response(error: HermesError) -> Response:
    """An error as a response."""
    body = to_json(error_body(error))
    return Response(body, _status(error), headers_of(error), "application/json")


def refusal_response(status: int, message: str) -> Response:
    """What this service refuses by itself as a response."""
    code = CODES.get(status)
    name = "INTERNAL" if code is None else code.name
    body = to_json(_body(status, message, None, name, name, None))
    return Response(body, status, media_type="application/json")
