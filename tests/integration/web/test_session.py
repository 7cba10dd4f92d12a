"""The console's page and its session over a real gateway: what a browser gets, and may do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from tests.integration.web.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

SESSION = "/api/v1/session"
OURS = {"Hermes-Console": "1"}


@pytest_asyncio.fixture(loop_scope="module")
async def browser(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=world.url, timeout=60) as client:
        yield client


async def sign_in(browser: httpx2.AsyncClient, world: World, name: str) -> None:
    given = {"token": world.tokens[name]}
    response = await browser.post(SESSION, json=given, headers=OURS)
    assert response.json() == {"tokens": True, "signed_in": True, "name": None}


async def test_signing_in_and_out(world: World, browser: httpx2.AsyncClient) -> None:
    assert (await browser.get(SESSION)).json()["signed_in"] is False
    assert (await browser.get("/api/v1/cameras")).status_code == 401
    await sign_in(browser, world, "guest")
    assert (await browser.get(SESSION)).json()["signed_in"] is True
    listed = (await browser.get("/api/v1/cameras")).json()["cameras"]
    assert [camera["id"] for camera in listed] == ["lobby"]
    assert (await browser.delete(SESSION)).status_code == 403
    assert (await browser.delete(SESSION, headers=OURS)).status_code == 204
    assert (await browser.get("/api/v1/cameras")).status_code == 401


async def test_a_wrong_token_is_refused_and_not_repeated(browser: httpx2.AsyncClient) -> None:
    response = await browser.post(SESSION, json={"token": "hermes_wrong"}, headers=OURS)
    assert response.status_code == 401
    assert "hermes_wrong" not in response.text
    assert "set-cookie" not in response.headers
    unreadable = await browser.post(SESSION, json={"token": ["hermes_wrong"]}, headers=OURS)
    assert unreadable.status_code == 401
    assert "hermes_wrong" not in unreadable.text


async def test_changes_need_the_consoles_header(world: World, browser: httpx2.AsyncClient) -> None:
    await sign_in(browser, world, "root")
    change = {"display_name": "Main lobby"}
    place = "/api/v1/cameras/lobby"
    assert (await browser.patch(place, json=change)).status_code == 403
    foreign = {**OURS, "Origin": "https://evil.test"}
    assert (await browser.patch(place, json=change, headers=foreign)).status_code == 403
    beside = {**OURS, "Sec-Fetch-Site": "same-site"}
    assert (await browser.patch(place, json=change, headers=beside)).status_code == 401
    assert (await browser.patch(place, json=change, headers=OURS)).status_code == 200


async def test_a_token_in_the_header_comes_first(world: World, browser: httpx2.AsyncClient) -> None:
    await sign_in(browser, world, "root")
    asked = await browser.get("/api/v1/cameras", headers=world.bearer("guest"))
    assert [camera["id"] for camera in asked.json()["cameras"]] == ["lobby"]
    wrong = await browser.get("/api/v1/cameras", headers={"Authorization": "Bearer wrong"})
    assert wrong.status_code == 401


async def test_the_page_and_its_files(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["content-encoding"] == "gzip"
    known = {"If-None-Match": page.headers["etag"]}
    assert (await browser.get("/", headers=known)).status_code == 304
    main = page.text.partition('<script type="module" src="')[2].partition('"')[0]
    file = await browser.get(main)
    assert file.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in file.headers["cache-control"]
    plain = await browser.get(main, headers={"Accept-Encoding": "identity"})
    assert plain.text == file.text
    assert "content-encoding" not in plain.headers
    other = await browser.get(main.replace(main.split("/")[2], "0123456789ab"))
    assert other.headers["cache-control"] == "no-cache"
    assert (await browser.get(main + "x")).status_code == 404
    assert (await browser.get("/console/x/%2e%2e/pages.py")).status_code == 404


async def test_a_brief_list_leaves_out_stretches(world: World, browser: httpx2.AsyncClient) -> None:
    listed = await browser.get("/api/v1/cameras", params={"brief": 1}, headers=world.bearer())
    assert listed.json()["cameras"][0]["memory"]["coverage"]["forgotten"] == []
