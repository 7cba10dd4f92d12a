"""The console's session: sign in with a token, see who one is, sign out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from hermes.client import AsyncHermesClient
from hermes.errors import PermissionDenied, Unauthenticated
from services.web import session
from services.web.callers import Callers, CallerToken, Client
from services.web.problems import documented
from services.web.replies import reply

router = APIRouter(prefix="/api/v1", tags=["Session"], responses=documented())

NO_CAMERA = "hermes.invalid/none"
"""A selector that selects nothing: the call asks only whether the token is good."""
NO_STORE = {"Cache-Control": "no-store"}


class SignIn(BaseModel):
    """A token of the gateway. `remember`: for a month, also after the browser was closed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: str = Field(min_length=1)
    remember: bool = False


class Session(BaseModel):
    """Who calls. `tokens`: the gateway wants them. `name`: if the token tells it."""

    tokens: bool
    signed_in: bool
    name: str | None = None


@router.get("/session", response_model=Session)
async def get_session(client: Client, token: CallerToken) -> Response:
    """Whether tokens are wanted, and whether the caller has a good one."""
    try:
        await _check(client)
    except Unauthenticated:
        return reply(Session(tokens=True, signed_in=False), headers=NO_STORE)
    wanted = token is not None
    return reply(
        Session(tokens=wanted, signed_in=wanted, name=session.name_in(token)), headers=NO_STORE
    )


@router.post("/session", response_model=Session)
async def sign_in(request: Request, given: SignIn) -> Response:
    """Check a token, and keep it in a cookie that only this service can read."""
    session.check_mark(request)
    token = given.token.strip()
    callers: Callers = request.app.state.callers
    response = reply(
        Session(tokens=True, signed_in=True, name=session.name_in(token)), headers=NO_STORE
    )
    session.begin(request, response, token, remember=given.remember)
    await _check(callers.client(token, request.headers))
    return response


@router.delete("/session", status_code=204)
async def sign_out(request: Request) -> Response:
    """Have the browser forget the token."""
    session.check_mark(request)
    response = Response(status_code=204, headers=NO_STORE)
    session.end(request, response)
    return response


async def _check(client: AsyncHermesClient) -> None:
    """Raises `Unauthenticated` unless the gateway takes the caller's token."""
    try:
        await client.list_cameras(NO_CAMERA)
    except PermissionDenied:
        return  # the token is good; it may do something else
