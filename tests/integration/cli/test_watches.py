"""`hermes watch` and `hermes events` at a gateway, with a worker that says what it is told to."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import redis
from typer.testing import CliRunner, Result

from hermes.v1.camera_pb2 import Camera
from services.cli.main import app
from services.common import keys
from services.common.event_log import RedisEventLog
from tests.support.event_messages import closed, note, opened, updated
from tests.support.fake_worker import FakeWorker, Judged
from tests.support.gateway import own, running_gateway


def run(address: str, *arguments: str) -> Result:
    group, name, *rest = arguments
    command = [group, name, *rest, "-g", address] if name else [group, "-g", address, *rest]
    return CliRunner().invoke(app, command, env={"COLUMNS": "300", "TZ": "UTC"})


def ok(address: str, *arguments: str) -> str:
    result = run(address, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def wards(client: redis.Redis, worker: FakeWorker) -> None:
    for name in ("bed-1", "bed-2"):
        camera = Camera(id=name, url="rtsp://c/1", labels={"area": "ward"})
        client.hset(keys.CAMERAS, name, camera.SerializeToString())
        own(client, name, worker.address)


ADD = (
    *("watch", "add", "fall", "Is anybody lying on the floor?", "--label", "area=ward"),
    *("--yes-no", "--above", ".8", "--for", "5s", "--cooldown", "2m", "--severity", "critical"),
)


async def test_watches_on_the_command_line(redis_url: str, redis_client: redis.Redis) -> None:
    worker = FakeWorker()
    await worker.start()
    wards(redis_client, worker)
    worker.judges = {"bed-1": Judged(0.93, holds=True), "bed-2": Judged(0.1)}

    def use(address: str) -> None:
        assert "no watches yet" in run(address, "watch", "list").stderr
        trial = ok(address, *ADD, "--try").splitlines()
        assert [line.split() for line in trial[1:]] == [
            ["bed-1", "0.93", "yes", *trial[1].split()[3:]],
            ["bed-2", "0.10", "no", *trial[2].split()[3:]],
        ]
        added = ok(address, *ADD).splitlines()
        row = "fall   2        yes/no  above 0.8 for 5s  critical  0"
        assert added[1] == row
        assert "cooldown: 2m of each camera" in added
        ok(address, "watch", "add", "gate", "Open?", "-c", "bed-1",
           "--choices", "open,shut", "--equals", "open", "--watch-label", "team=a")  # fmt: skip
        ok(address, "watch", "add", "day", "What happened?", "-l", "area", "--diary", "10m")
        listed = ok(address, "watch", "list").splitlines()
        assert [line.split()[0] for line in listed] == ["watch", "day", "fall", "gate"]
        assert len(ok(address, "watch", "list", "-c", "bed-2").splitlines()) == 3
        ok(address, "watch", "update", "gate", "--watch-label", "team-", "--hours",
           "Mon-Fri 08:00-18:00 Europe/Berlin", "--for", "3s")  # fmt: skip
        got = json.loads(ok(address, "watch", "get", "gate", "--json"))
        assert got["watch"]["labels"] == {}
        assert got["watch"]["hours"] == "Mon-Fri 08:00-18:00 Europe/Berlin"
        assert got["watch"]["trigger"]["hold_s"] == 3
        assert got["watch"]["trigger"]["condition"]["equals"]["choices"] == ["open"]
        assert got["watch"]["form"] == {"choices": {"texts": ["open", "shut"]}}
        ok(address, "watch", "pause", "gate")
        assert "paused" in ok(address, "watch", "get", "gate")
        ok(address, "watch", "resume", "gate")
        assert "bed-2   0.10" in ok(address, "watch", "try", "fall")
        ok(address, "watch", "remove", "day")
        for arguments, words in (
            (("watch", "get", "day"), "there is no watch 'day'"),
            (ADD, "'fall' exists"),
            (("watch", "add", "x", "y?", "-c", "a", "--for", "5"), "--for: '5' is no duration"),
            (("watch", "update", "fall", "--clear", "0.9"), "watch.trigger.above.clear"),
            (("watch", "update", "fall"), "give a flag"),
        ):
            result = run(address, *arguments)
            assert result.exit_code != 0
            assert words in result.output + str(result.exception)

    async with running_gateway(redis_url) as gateway:
        await asyncio.to_thread(use, f"127.0.0.1:{gateway.port}")
    await worker.stop()


async def test_events_on_the_command_line(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    log = RedisEventLog(redis_client)
    log.append(opened("e1", "bed-1"))
    log.append(updated("e1", camera_id="bed-1", sentence="A person lies there."))
    log.append(opened("e2", "bed-2"))
    log.append(closed("e2", camera_id="bed-2"))
    log.append(note("n1", "bed-2"))

    def use(address: str) -> None:
        lines = ok(address, "events", "").splitlines()
        assert sorted(line.split()[0] for line in lines) == ["e1", "e2", "event", "n1"]
        (line,) = ok(address, "events", "", "--open").splitlines()[1:]
        assert " ".join(line.split()) == (
            "e1 2023-11-14 22:13:20 open warning fall bed-1 0 A person lies there."
        )
        assert len(ok(address, "events", "", "-w", "diary", "-c", "bed-2").splitlines()) == 2
        assert "no such events" in run(address, "events", "", "--last", "1h").stderr
        shown = ok(address, "events", "get", "e2", "--pictures", str(tmp_path))
        assert "closed: 2023-11-14 22:14:20, the condition does not hold any more" in shown
        assert (tmp_path / "e2-1.jpg").read_bytes() == b"\xff\xd8 a picture"
        assert "acknowledged: " in ok(address, "events", "ack", "e1", "On my way.")
        got = json.loads(ok(address, "events", "get", "e1", "--json"))
        assert got["acknowledgement"]["note"] == "On my way."
        assert got["evidence"][0]["frame"] == 12
        assert "there is no event" in str(run(address, "events", "get", "e9").exception)
        both = run(address, "events", "", "-c", "a", "-l", "b")
        assert "use one of them" in str(both.exception)

    async with running_gateway(redis_url) as gateway:
        await asyncio.to_thread(use, f"127.0.0.1:{gateway.port}")


async def test_events_are_followed_on_the_command_line(
    redis_url: str, redis_client: redis.Redis
) -> None:
    log = RedisEventLog(redis_client)
    log.append(opened("e1", "bed-1"))
    async with running_gateway(redis_url) as gateway:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli.main", "events", "follow", "--after", "0"),
            *("-g", f"127.0.0.1:{gateway.port}"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(30):
            first = (await process.stdout.readline()).decode()
            log.append(closed("e1", camera_id="bed-1"))
            second = (await process.stdout.readline()).decode()
            process.send_signal(2)
            assert await process.wait() == 130
    assert "OPENED  warning  fall  bed-1  0.9" in first
    assert "CLOSED  warning  fall  bed-1  0.2  after 1m" in second
    assert second.endswith("(e1)\n")
