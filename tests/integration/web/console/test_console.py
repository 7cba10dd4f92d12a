"""The console in a real browser: its views, driven as a person does."""

from __future__ import annotations

import time

import pytest
from playwright.async_api import expect

from hermes.v1.query_pb2 import Complete
from tests.integration.web.console.conftest import LONG_NAME, Fleet
from tests.support.browser import Visit, visit
from tests.support.fake_worker import End, Judged, Say
from tests.support.shown_cameras import jpeg_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIRST_VIEW_BYTES = 150_000


async def test_signing_in_shows_the_cameras_of_the_token(fleet: Fleet) -> None:
    async with visit(fleet.browser, fleet.url) as seen:
        page = seen.page
        await seen.go("live")
        await page.get_by_label("Token").fill("hermes_wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert").filter(has_text="does not take")).to_be_visible()
        await page.get_by_label("Token").fill(fleet.tokens["pair"])
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator(".card")).to_have_count(2)
        await expect(page.get_by_role("link", name="Main lobby")).to_be_visible()
        # The token is out of reach of the page.
        assert await page.evaluate("document.cookie") == ""
        await seen.go("ask")
        await expect(page.locator(".selection .ticks li")).to_have_count(2)
        await seen.go("camera/gate")
        await expect(page.get_by_text("There is no such camera")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Token").fill(fleet.tokens["root"])
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name=LONG_NAME)).to_be_visible()


async def test_the_wall_shows_pictures_states_and_reasons(seen: Visit) -> None:
    page = seen.page
    transferred: list[int] = []
    page.on(
        "response",
        lambda response: transferred.append(int(response.headers.get("content-length", 0))),
    )
    await seen.go("live")
    await expect(page.locator(".card")).to_have_count(3)
    await expect(page.get_by_role("img", name="Newest picture of Main lobby")).to_be_visible()
    gate = page.locator("[data-camera=gate]")
    await expect(gate).to_contain_text("The connection was refused")
    await expect(gate).to_contain_text(LONG_NAME)
    await expect(page.locator("[data-camera=lobby]")).to_contain_text("remembers 20 min")
    assert sum(transferred) < FIRST_VIEW_BYTES
    await page.get_by_role("searchbox", name="Find cameras").fill("dock")
    await expect(page.locator(".card")).to_have_count(1)
    await page.get_by_role("searchbox", name="Find cameras").fill("")
    await page.get_by_label("Label", exact=True).select_option("site=main")
    await expect(page.locator(".card")).to_have_count(1)
    await page.get_by_label("Label", exact=True).select_option("")
    await expect(page.locator(".card")).to_have_count(3)
    assert await seen.axe() == []


async def test_a_question_its_answer_and_its_evidence(fleet: Fleet, seen: Visit) -> None:
    also = Complete()
    frame = also.evidence.frames.add(frame=7, logprob_without=-3.0, picture=jpeg_of(2))
    frame.captured.FromMilliseconds(int(time.time() * 1000) - 60_000)
    fleet.worker.by_camera["lobby"] = [Say("a "), Say("red "), Say("car"), End(also=also)]
    fleet.worker.calls.clear()
    page = seen.page
    await seen.go("camera/lobby")
    track = page.get_by_role("slider", name="Moment that is shown")
    box = await track.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 10, steps=3)
    await page.mouse.up()
    await page.get_by_role("button", name="Any time").click()
    await page.get_by_label("Question", exact=True).fill("What is there?")
    await page.keyboard.press("Enter")
    await expect(page.locator(".exchange .answer")).to_have_text("a red car")
    await expect(page.locator(".exchange .evidence img")).to_be_visible()
    await expect(page.locator(".exchange .evidence")).to_contain_text("20 times less likely")
    await page.get_by_label("Question", exact=True).fill("What colour?")
    await page.keyboard.press("Enter")
    await expect(page.locator(".exchange")).to_have_count(2)
    await expect(page.locator(".exchange .answer").nth(1)).to_have_text("a red car")
    turns = fleet.worker.calls[1].request.question.turns
    assert [(turn.question, turn.answer) for turn in turns] == [("What is there?", "a red car")]


async def test_a_camera_is_added_changed_and_removed(seen: Visit) -> None:
    page = seen.page
    await seen.go("live")
    await page.get_by_role("button", name="Add a camera").click()
    await page.get_by_label("Address").fill("rtsp://yard.test/live")
    await page.get_by_label("Id").fill("yard")
    await page.get_by_role("textbox", name="Labels").fill("site=yard, floor=0")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("heading", name="yard")).to_be_visible()
    await expect(page.get_by_label("Labels").first).to_contain_text("site=yard")
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_label("Name").fill("Hinterhof")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Hinterhof")).to_be_visible()
    await page.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page.locator(".card")).to_have_count(3)


async def test_a_watch_is_tried_created_and_its_event_arrives(fleet: Fleet, seen: Visit) -> None:
    fleet.worker.judges["lobby"] = Judged(0.91, holds=True)
    page = seen.page
    await seen.go("watches")
    await page.get_by_role("button", name="New watch").click()
    await page.get_by_label("Id").fill("door")
    await page.get_by_label("Question").fill("Is the door open?")
    await page.get_by_label("Main lobby").check()
    await page.get_by_role("button", name="Try it now").click()
    await expect(page.get_by_label("What it finds now")).to_contain_text("91 %")
    await expect(page.get_by_text("an event would open")).to_be_visible()
    await page.get_by_role("button", name="Create").click()
    await expect(page.locator("[data-watch=door]")).to_contain_text("Is the door open?")
    await page.get_by_role("link", name="Events").first.click()
    await expect(page.get_by_text("Following")).to_be_visible()
    event = fleet.tell("ev-console")
    card = page.locator(f"[data-event={event.id}]")
    await expect(card).to_contain_text("Main lobby")
    await expect(card.locator("img")).to_be_visible()
    await expect(page.get_by_label("1 open")).to_be_visible()
    await card.get_by_role("button", name="Acknowledge").click()
    await card.get_by_label("A remark for the others").fill("On my way.")
    await page.keyboard.press("Enter")
    await expect(card).to_contain_text("root")
    await expect(card).to_contain_text("On my way.")
    await seen.go("watch/door")
    await expect(page.locator(".plot canvas")).to_be_visible()
    await page.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("There is no watch yet")).to_be_visible()


async def test_many_cameras_are_asked_and_ranked(fleet: Fleet, seen: Visit) -> None:
    for camera_id, share in (("lobby", 0.2), ("dock", 0.9)):
        also = Complete()
        for text, probability in (("open", share), ("shut", 1 - share)):
            also.choices.add(text=text, probability=probability)
        fleet.worker.by_camera[camera_id] = [Say("open"), End(also=also)]
    page = seen.page
    await seen.go("ask")
    for name in ("Main lobby", "dock"):
        await page.get_by_label(name).check()
    await page.get_by_role("radio", name="Choices").check()
    await page.get_by_label("Choices, separated by commas").fill("open, shut")
    await page.get_by_label("Question", exact=True).fill("Is the gate open?")
    await page.get_by_role("button", name="Ask", exact=True).click()
    ranked = page.get_by_role("list", name="Cameras by how probable open is")
    await expect(ranked.get_by_role("listitem")).to_have_count(2)
    await expect(ranked.get_by_role("listitem").first).to_contain_text("dock")
    await expect(page.locator(".answer-card")).to_have_count(2)


async def test_it_says_that_the_gateway_is_lost_until_it_is_back(seen: Visit) -> None:
    page = seen.page
    lost = {"status": "unavailable", "why": "gateway cannot be reached", "version": "1"}
    await page.route("**/health", lambda route: route.fulfill(status=503, json=lost))
    await seen.go("live")
    banner = page.get_by_role("alert").filter(has_text="has lost the gateway")
    await expect(banner).to_contain_text("gateway cannot be reached")
    await page.unroute("**/health")
    await expect(banner).to_have_count(0)
    await expect(page.locator(".card")).to_have_count(3)
