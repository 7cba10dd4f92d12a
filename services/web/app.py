"""The application: its routes, and what its errors look like on each of its paths."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response

from hermes import __version__
from hermes.errors import HermesError
from services.common import logs
from services.web import console, problems, rest
from services.web.callers import TIMEOUT, Callers
from services.web.description import routes as description
from services.web.description.openapi import describe
from services.web.leaving import ClientLeft
from services.web.openai import errors as openai_errors
from services.web.openai.routes import router as openai
from services.web.settings import WebSettings

log = logs.get(__name__)

OPENAI_PATH = "/v1/"
DESCRIPTION = f"""\
Cameras, questions, watches and events of HERMES Live. Where the gateway wants tokens, each request
carries one: `Authorization: Bearer ...`. Errors are problem details (RFC 9457) with the gRPC code.
`{TIMEOUT}: 30` is how long an answer may take, in seconds.
"""


def make_app(
    settings: WebSettings, callers: Callers, health: Any, ending: asyncio.Event
) -> FastAPI:
    """The application. `health`: says whether the gateway answers, and if not, why.

    `ending`: is set when streams that never end by themselves are to end.
    """
    mounted = _mcp(settings, callers)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if mounted is not None:
                await stack.enter_async_context(mounted.running())
            yield

    app = FastAPI(
        title="HERMES Live",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        max_body_size=settings.max_body_bytes,
        docs_url=None,
        redoc_url=None,
    )
    app.state.callers = callers
    app.state.ping_s = settings.ping_s
    app.state.ending = ending

    @app.get("/health", tags=["Health"], responses={503: {"description": "It does not answer"}})
    async def get_health() -> Response:
        """Whether the gateway answers."""
        answers, why = health()
        said = {"status": "ok" if answers else "unavailable", "why": why, "version": __version__}
        return JSONResponse(said, 200 if answers else 503)

    app.include_router(description.router)
    app.include_router(openai)
    for router in rest.ROUTERS:
        app.include_router(router)
    if settings.console:
        app.include_router(console.router(settings.grafana_url))
    if mounted is not None:
        app.add_route("/mcp", mounted, include_in_schema=False)
    _answer_errors(app)
    describe(app)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["*"],
            allow_headers=["authorization", "content-type", "last-event-id", TIMEOUT.lower()],
            expose_headers=["etag", "retry-after"],
        )
    return app


def _mcp(settings: WebSettings, callers: Callers) -> Any:
    if not settings.mcp:
        return None
    from services.web.mcp.mount import McpMount

    return McpMount(callers, settings.max_body_bytes)


def _answer_errors(app: FastAPI) -> None:
    def error(request: Request, error: HermesError) -> Response:
        if request.url.path.startswith(OPENAI_PATH):
            return openai_errors.error_response(error)
        return problems.error_response(error)

    async def hermes_error(request: Request, raised: Any) -> Response:
        return error(request, raised)

    async def invalid(request: Request, raised: Any) -> Response:
        faults: Sequence[Any] = raised.errors()
        return error(request, problems.fault_of(faults))

    async def refused(request: Request, raised: Any) -> Response:
        detail = str(raised.detail)
        if request.url.path.startswith(OPENAI_PATH):
            return openai_errors.refusal_response(raised.status_code, detail)
        headers = dict(raised.headers or {})
        return problems.response_of(problems.refusal(raised.status_code, detail), headers)

    async def client_left(request: Request, raised: Any) -> Response:
        return Response(status_code=499)  # the client reads no more

    async def fault(request: Request, raised: Any) -> Response:
        # The server logs it. Its message may hold secrets, so the client does not get it.
        return error(request, HermesError(f"internal error ({type(raised).__name__})"))

    app.add_exception_handler(HermesError, hermes_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(ClientLeft, client_left)
    app.add_exception_handler(Exception, fault)
