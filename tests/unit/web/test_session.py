"""The token in a cookie: for whose requests it counts, and how it is set."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hermes.errors import InvalidInput
from services.web import session

CAMERAS = "/api/v1/cameras"
OURS = {"hermes-console": "1", "sec-fetch-site": "same-origin"}


def request(
    method: str = "GET", path: str = CAMERAS, scheme: str = "http", **headers: str
) -> Request:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": method,
            "scheme": scheme,
            "path": path,
            "query_string": b"",
            "headers": given,
            "server": ("door.test", 80),
        }
    )


def with_cookie(method: str = "GET", path: str = CAMERAS, **headers: str) -> Request:
    return request(method, path, cookie="hermes-session=tok", **headers)


@pytest.mark.parametrize(
    ("asked", "token"),
    [
        (request(), None),
        (with_cookie(), "tok"),
        (with_cookie(sec_fetch_site="same-origin"), "tok"),
        (with_cookie(sec_fetch_site="none"), "tok"),
        (with_cookie(sec_fetch_site="same-site"), None),
        (with_cookie(sec_fetch_site="cross-site"), None),
        (with_cookie(path="/v1/models"), None),
        (with_cookie(path="/mcp"), None),
        (with_cookie("POST", **OURS), "tok"),
        (with_cookie("POST", path="/v1/chat/completions"), None),
        (request(cookie="__Host-hermes-session=safe; hermes-session=tok"), "safe"),
        (request(cookie="hermes-session="), None),
    ],
)
def test_for_which_requests_the_cookie_counts(asked: Request, token: str | None) -> None:
    assert session.token_of(asked) == token


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_what_changes_something_proves_that_the_console_sends_it(method: str) -> None:
    with pytest.raises(HTTPException) as refused:
        session.token_of(with_cookie(method))
    assert refused.value.status_code == 403
    assert session.MARK in refused.value.detail
    assert session.token_of(with_cookie(method, hermes_console="1")) == "tok"


def test_another_page_cannot_sign_somebody_in() -> None:
    session.check_mark(request("POST", **OURS))
    for headers in ({}, {**OURS, "sec-fetch-site": "cross-site"}):
        with pytest.raises(HTTPException):
            session.check_mark(request("POST", **headers))


def cookie_of(asked: Request, token: str = "a.b-c_d", **options: Any) -> str:
    response = Response()
    session.begin(asked, response, token, **{"remember": False, **options})
    return response.headers["set-cookie"]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    cookie = cookie_of(request("POST"))
    assert cookie == "hermes-session=a.b-c_d; HttpOnly; Path=/; SameSite=strict"
    assert "Max-Age=2592000" in cookie_of(request("POST"), remember=True)


@pytest.mark.parametrize(
    "asked", [request("POST", scheme="https"), request("POST", origin="https://door.test")]
)
def test_over_tls_the_cookie_is_of_this_very_host(asked: Request) -> None:
    cookie = cookie_of(asked)
    assert cookie.startswith("__Host-hermes-session=")
    assert "Secure" in cookie


@pytest.mark.parametrize("token", ["", "two words", "semi;colon", "a,b", 'quo"te', "é", "x" * 3801])
def test_a_token_that_no_cookie_can_hold(token: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        cookie_of(request("POST"), token)
    assert refused.value.field == "token"
    assert not token or token not in str(refused.value)


def test_signing_out_takes_away_the_cookies_that_are_there() -> None:
    response = Response()
    session.end(with_cookie("DELETE"), response)
    taken = response.headers.getlist("set-cookie")
    assert len(taken) == 1
    assert taken[0].startswith('hermes-session="";')
    assert "Max-Age=0" in taken[0]


def jwt_of(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{payload}.signature"


@pytest.mark.parametrize(
    ("token", "name"),
    [
        (None, None),
        ("hermes_abc", None),
        (jwt_of({"sub": "alice"}), "alice"),
        (jwt_of({"sub": 7}), None),
        (jwt_of({"sub": "a\nb"}), None),
        (jwt_of(["sub"]), None),
        ("a.!!!.c", None),
        ("a.b.c", None),
    ],
)
def test_the_name_in_a_token(token: str | None, name: str | None) -> None:
    assert session.name_in(token) == name
