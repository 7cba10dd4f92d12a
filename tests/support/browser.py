"""A real browser, and what must hold of every page that it opens."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable")
PATIENCE_MS = 60_000
"""On a machine that does much else."""

expect.set_options(timeout=PATIENCE_MS)


def chromium() -> str:
    """The path of a Chromium. Skips without one."""
    for name in CHROMIUM:
        if (path := shutil.which(name)) is not None:
            return path
    pytest.skip("no Chromium to drive the console with (Debian: chromium)")


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """One that shows nothing."""
    path = chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield browser
        await browser.close()


@dataclass
class Visit:
    """A page of the console, and what it did."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def go(self, view: str) -> None:
        """Show a view: by its address, as a link does."""
        if self.page.url.startswith(self.url):
            await self.page.evaluate("(view) => { location.hash = `#/${view}`; }", view)
        else:
            await self.page.goto(f"{self.url}/#/{view}")

    def check(self) -> None:
        """Nothing went wrong in the page, and it asked nobody else for anything."""
        assert self.faults == []
        own = (self.url, "data:", "blob:")
        assert [asked for asked in self.requests if not asked.startswith(own)] == []

    async def axe(self) -> list[str]:
        """What axe finds that is serious."""
        if not AXE.exists():
            pytest.skip("node_modules/axe-core is missing: run npm install")
        # Over the protocol of the debugger: a script in the page would be against its policy.
        await self.page.evaluate(AXE.read_text())
        options = {"resultTypes": ["violations"]}
        found: Any = await self.page.evaluate("(options) => axe.run(document, options)", options)
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]


@asynccontextmanager
async def visit(
    browser: Browser, url: str, token: str = "", **context: Any
) -> AsyncIterator[Visit]:
    """A fresh browser window, signed in with the token."""
    window = await browser.new_context(
        **{"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **context}
    )
    if token:
        await window.add_cookies([{"name": "hermes-session", "value": token, "url": url}])
    page = await window.new_page()
    page.set_default_timeout(PATIENCE_MS)
    visited = Visit(page, url)

    def failed(text: str) -> None:
        visited.faults.append(text)

    page.on("pageerror", lambda error: failed(str(error)))
    # The browser notes each refusal of the service, too: those are answers.
    page.on(
        "console",
        lambda said: (
            failed(said.text)
            if said.type == "error" and not said.text.startswith("Failed to load resource")
            else None
        ),
    )
    page.on("request", lambda request: visited.requests.append(request.url))
    try:
        yield visited
        visited.check()
    finally:
        await window.close()
