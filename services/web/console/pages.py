"""The console's page and its files over HTTP, with the rules that a browser keeps for them."""

from __future__ import annotations

import html
import posixpath
import re

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hermes import __version__
from services.web.console.assets import Asset, Assets

FILES = "/console"
PAGE = "index.html"
MAIN = "js/main.js"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing inline, nothing from elsewhere, and no page around it."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
}
FOR_EVER = "public, max-age=31536000, immutable"
CHECK_FIRST = "no-cache"
_IMPORT = re.compile(r"""\bfrom\s*["'](\.[^"']+)["']""")


def router(grafana_url: str, assets: Assets | None = None) -> APIRouter:
    """Routes for the page and its files. The files' addresses hold the version of all of them,
    so that a browser keeps them until there are others.
    """
    files = Assets.packaged() if assets is None else assets
    page = _page(files, grafana_url)
    made = APIRouter(include_in_schema=False)

    @made.api_route("/", methods=["GET", "HEAD"])
    async def get_page(request: Request) -> Response:
        return _response(request, page, CHECK_FIRST)

    @made.api_route(FILES + "/{version}/{path:path}", methods=["GET", "HEAD"])
    async def get_file(request: Request, version: str, path: str) -> Response:
        asset = None if path == PAGE else files.get(path)
        if asset is None:
            raise HTTPException(404, "the console has no such file")
        # During an update a page of the other version may ask.
        return _response(request, asset, FOR_EVER if version == files.version else CHECK_FIRST)

    return made


def first_modules(files: Assets) -> list[str]:
    """The modules that the first view needs: the main one, and all that each imports at once."""
    found, ahead = {MAIN}, [MAIN]
    while ahead:
        path = ahead.pop()
        asset = files.get(path)
        for name in _IMPORT.findall("" if asset is None else asset.data.decode()):
            imported = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
            if imported not in found:
                found.add(imported)
                ahead.append(imported)
    return sorted(found)


def _page(files: Assets, grafana_url: str) -> Asset:
    template = files.get(PAGE)
    assert template is not None
    base = f"{FILES}/{files.version}"
    preloads = "\n    ".join(
        f'<link rel="modulepreload" href="{base}/{path}">' for path in first_modules(files)
    )
    text = (
        template.data.decode()
        .replace("{{files}}", base)
        .replace("{{version}}", html.escape(__version__))
        .replace("{{grafana}}", html.escape(grafana_url))
        .replace("<!-- preloads -->", preloads)
    )
    return Asset(text.encode(), template.media_type)


def _response(request: Request, asset: Asset, cache: str) -> Response:
    headers = {
        **HEADERS,
        "ETag": asset.etag,
        "Cache-Control": cache,
        "Vary": "Accept-Encoding",
    }
    known = request.headers.get("if-none-match", "")
    if asset.etag in {one.strip().removeprefix("W/") for one in known.split(",")}:
        return Response(status_code=304, headers=headers)
    data = asset.data
    if asset.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        data = asset.gzipped
    return Response(data, headers=headers, media_type=asset.media_type)
