"""All views of the console in all its looks, with a fleet, and without its gateway."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack, suppress

import psutil
import pytest
from playwright.async_api import expect

from services.common import keys
from tests.integration.web.console.conftest import Fleet
from tests.support.browser import running_browser, visit
from tests.support.doors import running_door
from tests.support.gateway import running_gateway
from tests.support.shown_cameras import pictures, show_many

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(1800)]

VIEWS = {
    "live": ".card",
    "camera/lobby": ".layers",
    "camera/gate": ".layers",
    "ask": ".selection",
    "watches": ".view-head",
    "events": ".event",
    "watch/door": ".view",
    "system": ".tiles",
}
"""By view: what shows that it is there."""
PHONE, DESK, WALL = (360, 740), (1280, 800), (2560, 1440)
FLEET = 200
MOST_OF_A_CORE = 0.5
WARM_S = 15.0
WATCHED_S = float(os.environ.get("CONSOLE_WATCHED_S", "30"))
MIB = 1 << 20


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK, WALL], ids=["phone", "desk", "wall"])
async def test_each_view_can_be_used_by_everybody(
    fleet: Fleet, size: tuple[int, int], colours: str
) -> None:
    fleet.tell("ev-whole")
    width, height = size
    async with visit(
        fleet.browser,
        fleet.url,
        fleet.tokens["root"],
        viewport={"width": width, "height": height},
        color_scheme=colours,
    ) as seen:
        for view, there in VIEWS.items():
            await seen.go(view)
            await expect(seen.page.locator(there).first).to_be_visible()
            assert await seen.axe() == [], view
            inside = "document.documentElement.scrollWidth <= window.innerWidth"
            assert await seen.page.evaluate(inside), f"{view} is wider than the window"
        for view, button in (("live", "Add a camera"), ("watches", "New watch")):
            await seen.go(view)
            await seen.page.get_by_role("button", name=button).click()
            await expect(seen.page.get_by_role("dialog")).to_be_visible()
            assert await seen.axe() == [], button
            await seen.page.keyboard.press("Escape")
            await expect(seen.page.get_by_role("dialog")).to_have_count(0)


async def test_it_is_used_by_keyboard(fleet: Fleet) -> None:
    async with visit(fleet.browser, fleet.url, fleet.tokens["root"]) as seen:
        page = seen.page
        await seen.go("live")
        card = page.get_by_role("link", name="Main lobby")
        await expect(card).to_be_visible()
        for _ in range(40):
            await page.keyboard.press("Tab")
            if await card.evaluate("(link) => link === document.activeElement"):
                break
        await page.keyboard.press("Enter")
        track = page.get_by_role("slider", name="Moment that is shown")
        await track.focus()
        before = await track.get_attribute("aria-valuetext")
        await page.keyboard.press("Shift+ArrowLeft")
        await expect(track).not_to_have_attribute("aria-valuetext", str(before))
        await page.get_by_role("button", name="From here").press("Enter")
        await expect(page.locator(".picked")).to_contain_text("Asked about")


async def test_the_gateway_goes_and_comes_back(redis_url: str) -> None:
    async with running_browser() as browser, AsyncExitStack() as standing:
        async with running_gateway(redis_url) as gateway:
            port = gateway.port
            door = await standing.enter_async_context(running_door(port))
        async with visit(browser, f"http://{door.address}") as seen:
            await seen.go("live")
            banner = seen.page.get_by_role("alert").filter(has_text="lost the gateway")
            await expect(banner).to_be_visible()
            async with running_gateway(redis_url, listen=f"127.0.0.1:{port}"):
                await expect(banner).to_have_count(0)
                await expect(seen.page.get_by_role("heading", name="Live")).to_be_visible()
            await expect(banner).to_be_visible()


async def test_a_wall_of_hundreds_is_calm(fleet: Fleet) -> None:
    """Pictures of cameras in sight alone; half a core at most, and memory that stays."""
    ids = [f"fleet-{number:03}" for number in range(FLEET)]
    show_many(fleet.redis, ids, fleet.worker.address)
    moving = asyncio.create_task(_new_pictures(fleet))
    try:
        async with visit(fleet.browser, fleet.url, fleet.tokens["root"]) as seen:
            await seen.go("live")
            await expect(seen.page.locator(".card")).to_have_count(FLEET + 3)
            await asyncio.sleep(WARM_S)
            asked = {url for url in seen.requests if "snapshot.jpg" in url}
            assert 0 < len(asked) < FLEET / 4
            debugger = await seen.page.context.new_cdp_session(seen.page)
            await debugger.send("Performance.enable")

            async def figures() -> dict[str, float]:
                await debugger.send("HeapProfiler.collectGarbage")
                found = await debugger.send("Performance.getMetrics")
                return {one["name"]: one["value"] for one in found["metrics"]}

            first, busy, began = await figures(), _browser_cpu_s(), time.monotonic()
            await asyncio.sleep(WATCHED_S)
            seconds = time.monotonic() - began
            share = (_browser_cpu_s() - busy) / seconds
            last = await figures()
            grown = last["JSHeapUsedSize"] - first["JSHeapUsedSize"]
            print(
                f"{FLEET} cameras, {seconds:.0f} s: {share:.2f} of a core for the whole browser,"
                f" heap {last['JSHeapUsedSize'] / MIB:.1f} MiB ({grown / MIB:+.2f}),"
                f" {last['Nodes']:.0f} nodes ({last['Nodes'] - first['Nodes']:+.0f})"
            )
            assert share < MOST_OF_A_CORE
            assert grown < MIB
            assert last["Nodes"] < first["Nodes"] * 1.2
    finally:
        moving.cancel()
        fleet.redis.hdel(keys.CAMERAS, *ids)


async def _new_pictures(fleet: Fleet) -> None:
    """Cameras show something new, again and again."""
    while True:
        fleet.worker.frames = pictures(int(time.time() * 1000))
        await asyncio.sleep(1)


def _browser_cpu_s() -> float:
    """Seconds of CPU that the browser has taken, all its processes together."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "chrom" in process.name():
                times = process.cpu_times()
                total += times.user + times.system
    return total
