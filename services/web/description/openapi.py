"""The API's description as OpenAPI 3.1 has it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.web.problems import MEDIA_TYPE

_JSON = "application/json"


def describe(app: FastAPI) -> None:
    """Have the application describe itself as it is, not as FastAPI would answer errors."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _schema_of(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _schema_of(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    for operations in schema["paths"].values():
        for operation in operations.values():
            responses = operation.get("responses", {})
            responses.pop("422", None)  # a status of FastAPI's own that no request gets here
            for response in responses.values():
                content = response.get("content", {})
                if MEDIA_TYPE in content:
                    content.pop(_JSON, None)
    parts = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        parts.pop(name, None)
    return schema
