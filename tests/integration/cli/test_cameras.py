"""`hermes camera`, in a pipe and in a narrow terminal, and labels on its command line."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner, Result

from services.cli.main import app
from tests.support import program
from tests.support.gateway import register, running_gateway

COLUMNS = 60
IDS = sorted([f"camera-{number:03}" for number in range(100)] + ["long-" + "0123456789" * 5])


def command(address: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "services.cli.main", "camera", *arguments, "-g", address]


def piped(address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(address, *arguments), capture_output=True, text=True, timeout=60)


def here(address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As `piped`, in this process, which is quicker."""
    return program.run("services.cli.main", "camera", *arguments, "-g", address)


def in_a_terminal(address: str, *arguments: str, **environment: str) -> str:
    """What the command writes to a terminal of 60 columns and 10 lines."""
    # What runs the tests may say how wide its own output is; the terminal's width counts here.
    without_size = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (10, COLUMNS))
    process = subprocess.Popen(
        command(address, *arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**without_size, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
    os.close(ours)
    assert process.wait(60) == 0, shown
    return shown.decode().replace("\r\n", "\n")


async def test_cameras_for_people_and_programs(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    for camera in IDS:
        register(redis_client, camera, "rtsp://user:hunter2@camera.example/live/channel/1")

    def use(address: str) -> None:
        lines = piped(address, "list").stdout.splitlines()
        assert [line.split()[0] for line in lines[1:]] == IDS
        assert lines[1].split()[1:3] == ["pending", "pending"]
        assert here(address, "list", "-o", "name").stdout.split("\n") == [*IDS, ""]
        wide = here(address, "list", "--output", "wide").stdout
        assert len(wide.splitlines()) == 1 + len(IDS)
        assert "camera.example/live/channel/1" in wide
        assert "hunter2" not in wide
        everything = json.loads(here(address, "list", "-o", "json").stdout)
        assert [one["id"] for one in everything] == IDS
        assert everything == json.loads(here(address, "list", "--json").stdout)
        assert json.loads(here(address, "get", IDS[0], "--json").stdout) == everything[0]
        assert here(address, "get", IDS[-1], "-o", "name").stdout == f"{IDS[-1]}\n"
        assert here(address, "get", IDS[-1]).stdout.splitlines()[1].split()[0] == IDS[-1]
        refused = here(address, "list", "--json", "-o", "wide")
        assert refused.returncode == 1
        assert "exclude each other" in refused.stderr

        narrow = in_a_terminal(address, "list", NO_COLOR="1").replace("\x1b[1m", "")
        lines = narrow.replace("\x1b[0m", "").splitlines()  # bold is no colour
        assert "\x1b" not in narrow.replace("\x1b[0m", "")
        # All of them, without a pager. Notes, and the rest of the longest id's row, are indented.
        assert [line.split()[0] for line in lines[1:] if not line.startswith(" ")] == IDS
        assert all(len(line) <= COLUMNS for line in lines)
        assert "\x1b[3" in in_a_terminal(address, "list")
        dumb = in_a_terminal(address, "list", TERM="dumb")
        assert "\x1b" not in dumb
        assert dumb.splitlines() == lines

    async with running_gateway(redis_url) as gateway:
        await asyncio.to_thread(use, f"127.0.0.1:{gateway.port}")


def run(address: str, *arguments: str) -> Result:
    """The command in this process, which is quicker."""
    return CliRunner().invoke(app, ["camera", *arguments, "-g", address], env={"COLUMNS": "300"})


async def test_labels_on_the_command_line(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    def use(address: str) -> None:
        labels = ("--label", "site=dock", "--label", "floor=2")
        added = run(address, "add", "dock", "rtsp://c/1", *labels, "--display-name", "Dock, gate 3")
        assert added.exit_code == 0, added.output
        run(address, "add", "yard", "rtsp://c/2", "--label", "site=yard")

        def listed(*flags: str) -> list[str]:
            return run(address, "list", "-o", "name", *flags).stdout.split()

        assert listed() == ["dock", "yard"]
        assert listed("-l", "site=dock") == listed("--label", "floor") == ["dock"]
        assert listed("-l", "site in (dock, yard)", "-l", "!floor") == ["yard"]
        none = run(address, "list", "-l", "site=roof")
        assert (none.exit_code, none.stdout) == (0, "")
        assert "no camera has such labels: site=roof" in none.stderr

        updated = run(address, "update", "dock", "--label", "site=yard", "--label", "floor-")
        assert updated.exit_code == 0, updated.output
        shown = run(address, "get", "dock").stdout
        assert "display name: Dock, gate 3\nlabels: site=yard\n" in shown
        assert run(address, "update", "dock", "--display-name", "", "-o", "name").exit_code == 0
        got = json.loads(run(address, "get", "dock", "-o", "json").stdout)
        assert (got["labels"], got["display_name"]) == ({"site": "yard"}, "")
        assert "  site=yard" in run(address, "list", "-o", "wide").stdout

        for wrong, said in (
            (("update", "dock"), "give --label or --display-name"),
            (("update", "dock", "--label", "site"), "write KEY=VALUE, or KEY- to remove"),
            (("update", "nowhere", "--label", "a=b"), "there is no camera 'nowhere'"),
            (("add", "x", "rtsp://c/1", "--label", "a-"), "'a-': write KEY=VALUE"),
            (("list", "-l", "site in dock"), "at character 9 there must be '('"),
        ):
            refused = run(address, *wrong)
            assert refused.exit_code in (1, 2)
            assert said in refused.output + str(refused.exception), refused.output

    async with running_gateway(redis_url) as gateway:
        await asyncio.to_thread(use, f"127.0.0.1:{gateway.port}")


async def test_no_cameras_are_no_lines(redis_url: str, redis_client: redis.Redis) -> None:
    async with running_gateway(redis_url) as gateway:
        done = await asyncio.to_thread(piped, f"127.0.0.1:{gateway.port}", "list")
        assert (done.returncode, done.stdout) == (0, "")
        assert "no cameras yet" in done.stderr


@pytest.mark.parametrize("output", ["yaml", ""])
def test_an_unknown_output_is_named(output: str) -> None:
    done = here("127.0.0.1:1", "list", "-o", output)
    assert done.returncode == 2
    assert "'wide'" in done.stderr
