"""Errors of the gateway as statuses of HTTP."""

from __future__ import annotations

import math

from grpc import StatusCode

from hermes.errors import HermesError, InvalidInput, Retryable, Unauthenticated
from hermes.statuses import code_of

STATUSES = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.FAILED_PRECONDITION: 409,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}
"""The others are 500: nothing that a caller can mend."""

CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    405: StatusCode.UNIMPLEMENTED,
    413: StatusCode.INVALID_ARGUMENT,
    421: StatusCode.INVALID_ARGUMENT,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
}
"""The gRPC code of what this service refuses by itself."""


def status_of(error: HermesError) -> int:
    """The status of HTTP that an error gets."""
    if isinstance(error, InvalidInput) and error.field == "token":
        return 401
    return STATUSES.get(code_of(error), 500)


def headers_of(error: HermesError) -> dict[str, str]:
    """Headers that go with an error: when to try again, and how to say who one is."""
    headers = {}
    if isinstance(error, Retryable):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, Unauthenticated) or status_of(error) == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers
