"""`GET /docs`: the page that describes the API."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.web.description.page import STYLE_URL, page_of

POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
"""The page is text and a style sheet: a browser loads and runs nothing else."""
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def get_page(request: Request) -> Response:
    """The page."""
    page = getattr(request.app.state, "description_page", None)
    if page is None:
        page = request.app.state.description_page = page_of(request.app.openapi()).encode()
    return Response(page, headers=HEADERS, media_type="text/html; charset=utf-8")


@router.get(STYLE_URL)
async def get_style() -> Response:
    """Its style sheet."""
    return Response(_style(), headers=HEADERS, media_type="text/css; charset=utf-8")


@cache
def _style() -> bytes:
    return files(__package__).joinpath("page.css").read_bytes()
