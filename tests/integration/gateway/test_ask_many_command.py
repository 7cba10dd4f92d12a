"""`hermes ask --label` and `--cameras` against a real gateway."""

from __future__ import annotations

import json

import pytest
import redis

from hermes import errors
from services.query_gateway.gateway import Gateway
from tests.integration.gateway.test_ask_command import complete, hermes
from tests.integration.gateway.test_ask_many import add, announce
from tests.support.fake_worker import End, Fail, FakeWorker, Rest, Say
from tests.support.gateway import own

YES_NO = """
    choices {{ text: "yes" probability: {0} logprob: -1.4 tokens: 2 }}
    choices {{ text: "no" probability: {1} logprob: -0.3 tokens: 2 }}
"""
COLOURS = """
    choices {{ text: "red" probability: {0} tokens: 1 }}
    choices {{ text: "blue" probability: {1} tokens: 1 }}
    choices {{ text: "green" probability: {2} tokens: 1 }}
"""


@pytest.fixture
def docks(redis_client: redis.Redis, worker: FakeWorker) -> list[str]:
    names = ["dock-1", "dock-2", "dock-3"]
    for number, camera_id in enumerate(names):
        add(redis_client, camera_id, site="dock")
        own(redis_client, camera_id, worker.address)
        words = [Say("a red "), Say(f"truck\nand {number} men")]
        worker.by_camera[camera_id] = [Rest(0.05 * number), *words, End()]
    announce(redis_client, worker)
    return names


async def test_each_camera_has_a_line_and_an_error_is_told_apart(
    gateway: Gateway, worker: FakeWorker, docks: list[str]
) -> None:
    worker.by_camera["dock-2"] = [Fail(errors.Overloaded("64 questions are open", 10.0))]
    done = await hermes(gateway, "ask", "--label", "site=dock", "Who is there?")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "dock-1  a red truck and 0 men",
        "dock-3  a red truck and 2 men",
    ]
    first, last = done.stderr.splitlines()
    assert first == "dock-2: 64 questions are open (ask again in 10 s)"
    assert last.startswith("2 of 3 cameras answered within ")
    assert {seen.request.question.text for seen in worker.calls} == {"Who is there?"}


async def test_one_answer_of_all_follows(
    gateway: Gateway, worker: FakeWorker, docks: list[str]
) -> None:
    worker.mergers = [[Say("Two docks "), Say("have trucks."), End()]]
    done = await hermes(gateway, "ask", "--cameras", "dock-1,dock-3", "Who?", "--merge")
    assert done.stdout.splitlines()[2:] == ["", "Two docks have trucks."]
    done = await hermes(gateway, "ask", "--cameras", "x,y", "Who?", "--merge")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no merged answer: no camera answered" in done.stderr
    assert "0 of 2 cameras answered" in done.stderr


async def test_cameras_are_ranked_by_their_choices(
    gateway: Gateway, worker: FakeWorker, docks: list[str]
) -> None:
    for camera_id, yes in zip(docks, (0.3, 0.9, 0.02), strict=True):
        likeliest = "yes" if yes > 0.5 else "no"
        end = End(also=complete(YES_NO.format(yes, 1 - yes)))
        worker.by_camera[camera_id] = [Say(likeliest), end]
    words = ("ask", "-l", "site=dock", "Is there a red truck?")
    done = await hermes(gateway, *words, "--yes-no")
    assert sorted(done.stdout.splitlines()[:3]) == [
        "dock-1  no  70.0%",
        "dock-2  yes  90.0%",
        "dock-3  no  98.0%",
    ]
    heading, *places = done.stdout.splitlines()[4:]
    assert heading == "yes, most likely first"
    assert [line.split() for line in places] == [
        ["dock-2", "90.0%"],
        ["dock-1", "30.0%"],
        ["dock-3", "2.0%"],
    ]
    for camera_id, (red, blue) in zip(docks, ((0.6, 0.3), (0.8, 0.1), (0.2, 0.7)), strict=True):
        end = End(also=complete(COLOURS.format(red, blue, 0.1)))
        worker.by_camera[camera_id] = [Say("red" if red > blue else "blue"), end]
    done = await hermes(gateway, *words, "--choices", "red,blue,green")
    assert done.stdout.splitlines()[4:] == [
        "likeliest choice, by camera",
        "red: dock-2 80.0%, dock-1 60.0%",
        "blue: dock-3 70.0%",
    ]


async def test_lines_for_programs(gateway: Gateway, worker: FakeWorker, docks: list[str]) -> None:
    worker.by_camera["dock-2"] = [Fail(errors.Overloaded("full", 10.0))]
    done = await hermes(gateway, "ask", "-l", "site=dock", "Who?", "--json", "--merge")
    first, *lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert first == {"cameras": docks}
    (error,) = (line["error"] for line in lines if line.get("error"))
    assert error == {"reason": "OVERLOADED", "message": "full", "retry_after_s": 10.0}
    texts = {line["camera_id"]: line["complete"]["text"] for line in lines if "complete" in line}
    assert texts.keys() == {"dock-1", "dock-3", ""}
    assert texts["dock-1"] == "a red truck\nand 0 men"
    done = await hermes(gateway, "ask", "-l", "site=nowhere", "Who?", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["reason"] == "NOTHING_SELECTED"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lobby", "Who?", "-l", "site=dock"], "'lobby' is one too many"),
        (["-l", "site=dock"], "QUESTION: is missing"),
        (["-l", "site=dock", "--cameras", "a", "Who?"], "cannot be combined"),
        (["--cameras", " , ", "Who?"], "names no camera"),
        (["--cameras", "a", "-i", "Who?"], "is about one camera"),
        (["lobby", "Who?", "--merge"], "needs several cameras"),
        ([], "CAMERA: is missing"),
    ],
)
async def test_what_fits_neither_one_camera_nor_several(
    gateway: Gateway, words: list[str], told: str
) -> None:
    done = await hermes(gateway, "ask", *words)
    assert told in str(done.exception)
