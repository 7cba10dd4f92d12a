"""The page that describes the API: complete, without scripts, and nothing comes from elsewhere."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from hermes.client import AsyncConnection
from services.web.app import make_app
from services.web.callers import Callers, Patience
from services.web.description.page import page_of
from services.web.settings import WebSettings


class Read(HTMLParser):
    """What a page holds."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "style" or name.startswith("on"):
                self.inline.append(name)
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("src", "href", "action", "data"):
                self.loaded.append(value or "")


@pytest.fixture(scope="module")
def app() -> FastAPI:
    async def made() -> FastAPI:
        callers = Callers(AsyncConnection("127.0.0.1:1"), Patience(1, 1, 1))
        return make_app(WebSettings(mcp=False), callers, lambda: (True, ""), asyncio.Event())

    return asyncio.run(made())


@pytest.fixture(scope="module")
def schema(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def test_the_page_names_every_operation_and_record(schema: dict[str, Any]) -> None:
    page = page_of(schema)
    for path, operations in schema["paths"].items():
        for method in operations:
            assert f"<b>{method.upper()}</b> {path}</code>" in page
    for record in schema["components"]["schemas"]:
        assert f"<summary><code>{record}</code></summary>" in page


def test_links_lead_to_places_on_the_page(schema: dict[str, Any]) -> None:
    read = Read(page_of(schema))
    assert len(set(read.ids)) == len(read.ids)
    assert {link for link in read.links if not link.startswith("#")} == {"/openapi.json"}
    assert {link[1:] for link in read.links if link.startswith("#")} <= set(read.ids)


def test_a_browser_loads_and_runs_nothing_from_elsewhere(app: FastAPI) -> None:
    client = TestClient(app)
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; style-src 'self'" in policy
    assert "unsafe" not in policy
    read = Read(page.text)
    assert not read.tags & {"script", "style", "iframe", "form", "img", "object"}
    assert read.inline == []
    assert read.loaded == ["/docs.css"]
    style = client.get("/docs.css")
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert "url(" not in style.text
    assert "@import" not in style.text


def test_a_description_is_text_and_not_markup() -> None:
    parameter = {"name": "<i>", "in": "query", "schema": {"type": "string", "default": "<b>"}}
    operation = {"summary": "<script>", "parameters": [parameter], "responses": {}}
    info = {"title": "<h1>", "version": "1", "description": "See `a < b`."}
    page = page_of({"openapi": "3.1.0", "info": info, "paths": {"/<p>": {"get": operation}}})
    assert "<script>" not in page
    assert "<code>&lt;i&gt;</code>" in page
    assert "<code>a &lt; b</code>" in page


def test_errors_that_look_the_same_are_one_row() -> None:
    content = {"application/json": {"schema": {"type": "string"}}}
    responses = {status: {"content": content} for status in ("404", "200", "400")}
    operation = {"responses": responses}
    info = {"title": "T", "version": "1"}
    page = page_of({"openapi": "3.1.0", "info": info, "paths": {"/p": {"get": operation}}})
    assert "<td>400, 404</td><td>Errors</td><td>string as application/json</td>" in page
    assert page.count("<tr><td>") == 2


def test_problems_have_one_media_type(schema: dict[str, Any]) -> None:
    refused = schema["paths"]["/api/v1/cameras"]["get"]["responses"]["403"]
    assert set(refused["content"]) == {"application/problem+json"}
