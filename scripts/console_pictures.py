"""Draws the pictures of docs/console.md: `python -m scripts.console_pictures`.

They are of a real run: the demo's model, four cameras whose films have nights, a fifth that cannot
be reached, and the watch that looks out for nightfall. It takes two minutes, and needs Chromium.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from hermes.client import Choices, Equals, HermesClient, Trigger, Watch
from hermes.demo.scenes import TRAINED, make_scene
from services.cli.film import film
from services.cli.frame_size import DEMO, frame_size_of
from services.cli.http_door import start_door
from services.cli.local import LocalSettings, start_services
from services.cli.processes import Pipeline

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
FILM_S = 90.0
NIGHTS: dict[str, tuple[float, float] | None] = {
    "porch": (20.0, 40.0),
    "yard": (34.0, 56.0),
    "dock": (60.0, 75.0),
    "lobby": None,
}
"""By camera, in seconds of its film."""
NAMES = {"lobby": "Main lobby", "dock": "Loading dock 3", "gate": "Back gate"}
LABELS = {
    "lobby": {"site": "main", "floor": "1"},
    "dock": {"site": "dock", "outdoors": "yes"},
    "yard": {"site": "dock", "outdoors": "yes"},
    "porch": {"site": "main", "outdoors": "yes"},
    "gate": {"site": "main"},
}
NIGHTFALL = Watch(
    "nightfall",
    "Is it day or night?",
    selector="outdoors=yes",
    form=Choices(("day", "night")),
    trigger=Trigger(Equals(("night",), probability=0.8), hold_s=2.0),
    severity="warning",
    heartbeat_s=1.0,
    display_name="Nightfall",
)
WATCHED_S = 100.0
SETTLE_MS = 4000
ANSWERED_MS = 90_000
QUALITY = 82
MOST_BYTES = 150_000


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: a view, in a window, after something was done in it."""

    name: str
    view: str
    width: int
    height: int
    colours: str
    act: Callable[[Page], None] = lambda page: None


def _ask(page: Page) -> None:
    page.get_by_role("radio", name="Choices").check()
    page.get_by_label("Choices, separated by commas").fill("day, night")
    _put(page, "Is it day or night?")
    page.get_by_role("radio", name="Text").check()
    _put(page, "What came in last?")


def _put(page: Page, question: str) -> None:
    before = page.locator(".exchange[data-state=done]").count()
    page.get_by_label("Question", exact=True).fill(question)
    page.keyboard.press("Enter")
    done = page.locator(".exchange[data-state=done]")
    done.nth(before).wait_for(timeout=ANSWERED_MS)


def _ask_many(page: Page) -> None:
    for name in ("Main lobby", "Loading dock 3", "porch", "yard"):
        page.get_by_label(name).check()
    page.get_by_role("radio", name="Choices").check()
    page.get_by_label("Choices, separated by commas").fill("day, night")
    page.get_by_label("Question", exact=True).fill("Is it day or night?")
    page.get_by_label("Evidence").uncheck()
    page.keyboard.press("Enter")
    page.locator(".answer-card .bars").nth(3).wait_for(timeout=ANSWERED_MS)


SHOTS = (
    Shot("console-live", "live", 1280, 760, "light"),
    Shot("console-camera", "camera/porch", 1280, 980, "dark", _ask),
    Shot("console-ask-many", "ask", 1280, 720, "light", _ask_many),
    Shot("console-events", "events", 1280, 760, "dark"),
    Shot("console-watch", "watch/nightfall", 1280, 760, "light"),
    Shot("console-phone", "camera/yard", 390, 844, "light"),
)


def main() -> None:
    """Draw them all."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory(prefix="hermes-console-") as name:
        folder = Path(name)
        (folder / "media").mkdir()
        for number, (camera, night) in enumerate(NIGHTS.items()):
            scene = make_scene(camera, 4 + number, FILM_S, actors=4, looks=TRAINED)
            if night is not None:
                scene = replace(scene, night_from=night[0], night_until=night[1])
            film(scene, folder / "media" / f"{camera}.mp4")
        settings = LocalSettings(
            model=DEMO,
            device="cpu",
            media_root=folder / "media",
            frame_size=frame_size_of(DEMO),
            frames_per_second=2.0,
        )
        with Pipeline(folder, {}) as pipeline:
            address = start_services(pipeline, settings, print)
            url = start_door(pipeline, address, "127.0.0.1:0", print)
            with HermesClient(address) as client:
                _set_up(client)
                time.sleep(WATCHED_S)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
                )
                for shot in SHOTS:
                    _take(browser, f"{url}/#/{shot.view}", shot)
                browser.close()


def _set_up(client: HermesClient) -> None:
    for camera in NIGHTS:
        client.add_camera(
            camera,
            f"{camera}.mp4",
            pacing="live",
            loop=True,
            labels=LABELS[camera],
            display_name=NAMES.get(camera, ""),
        )
    client.add_camera(
        "gate", "rtsp://127.0.0.1:9/live", labels=LABELS["gate"], display_name=NAMES["gate"]
    )
    client.create_watch(NIGHTFALL)


def _take(browser: Browser, url: str, shot: Shot) -> None:
    window = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="dark" if shot.colours == "dark" else "light",
        device_scale_factor=1 if shot.width > 800 else 2,
        locale="en-GB",
    )
    page = window.new_page()
    page.goto(url)
    page.wait_for_timeout(SETTLE_MS)
    shot.act(page)
    page.wait_for_timeout(SETTLE_MS / 4)
    with suppress(Exception):
        page.evaluate("document.activeElement?.blur()")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    window.close()
    path = IMAGES / f"{shot.name}.webp"
    picture.save(path, "webp", quality=QUALITY, method=6)
    size = path.stat().st_size
    print(f"{path.name}: {picture.width}x{picture.height}, {size} bytes")
    assert size <= MOST_BYTES, f"{path.name} is larger than {MOST_BYTES} bytes"


if __name__ == "__main__":
    main()
