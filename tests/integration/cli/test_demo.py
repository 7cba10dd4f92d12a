"""`hermes demo`, as a person starts it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

COMMAND = [sys.executable, "-m", "services.cli.main", "demo", "--cameras", "2"]


def environment(tmp_path: Path) -> dict[str, str]:
    """The demo's files and its own Redis go below `tmp_path`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HERMES_")}
    kept.pop("REDIS_URL", None)
    return {**kept, "TMPDIR": str(tmp_path), "COLUMNS": "160"}


def of_this_run(tmp_path: Path) -> list[psutil.Process]:
    """Processes that know of the run's folder: by command line or by environment."""
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if process.pid != os.getpid() and any(str(tmp_path) in text for text in told):
            found.append(process)
    return found


def assert_nothing_left(tmp_path: Path) -> None:
    deadline = time.monotonic() + 10
    while left := of_this_run(tmp_path):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []


def test_it_answers_and_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        COMMAND,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    figures = re.findall(
        r"TTFT (\S+) (m?s) \(warm \S+ m?s\)\s+TPOT \S+ m?s\s+\d+ tokens\s+from \d+ frames,"
        r" \d:\d\d\.\d to 0:59\.5",
        done.stderr,
    )
    assert len(figures) == 6 + 2, done.stderr  # and a schema and evidence, about the whole film
    lines = done.stdout.splitlines()
    told = re.search(r"^(\d) of 6 answers are right$", done.stdout, re.MULTILINE)
    assert told is not None, done.stdout
    rights = [line for line in lines if re.match(r"right( \(counted up by colour: \w+\))?$", line)]
    assert len(rights) == int(told[1]) >= 5, done.stdout
    assert sum(line.startswith("wrong: it is ") for line in lines) == 6 - int(told[1])
    others = re.search(r"^(\d) of 4 answers of other kinds are right$", done.stdout, re.MULTILINE)
    assert others is not None, done.stdout
    agreed = [line for line in lines if re.match(r"right \(the record says .+\)$", line)]
    assert len(agreed) == int(others[1]) >= 3, done.stdout
    dusk = lines.index("porch: Is it day or night? (a watch: night opens an event)")
    assert re.fullmatch(
        r"opened at 0:0(3\.5|4\.0) \(night \d+%\), with the frame of that moment;"
        r" closed at 0:0(5\.5|6\.0)",
        lines[dusk + 1],
    ), lines[dusk + 1]
    assert lines[dusk + 2] == "right (night falls at 0:03.2, day breaks at 0:05.2)"
    for said in (
        r"^0:37\.9 to 0:44\.4: all (whole|thinned), 13 frames$",
        r"^the answer rests on these frames",
    ):
        assert re.search(said, done.stderr, re.MULTILINE), done.stderr
    assert re.search(r"^(yes|no) +█+ +\d+\.\d%$", done.stderr, re.MULTILINE), done.stderr
    answered = re.findall(r"from (\d+) frames", done.stderr)
    for camera, frames in (("lobby", answered[2]), ("dock", answered[5])):
        row = next(line for line in lines if line.startswith(camera + " "))
        found = re.search(r"ended\s+serving\s+-\s+(\d+)\s+\d+\s+[\d.]+ [KM]iB\s+[\d.]+ m?s", row)
        assert found is not None, row
        assert found[1] == frames  # the table is as current as the answers
    for step in ("filming", "loading the model", "watching"):
        assert sum(step in line for line in done.stderr.splitlines()) == 1
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("moment", ["starting", pytest.param("prompt", marks=pytest.mark.slow)])
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    """In a terminal: live progress, then a prompt. Ctrl-C in either."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        COMMAND,
        env=environment(tmp_path),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    wanted = "Redis:" if moment == "starting" else "Ask more."
    shown = read_until(ours, wanted, 100)
    if moment == "prompt":
        os.write(ours, b"lobby What is there?\n")
        read_until(ours, "the record has no answer to this", 30)
        os.write(ours, b"lobby is it day or night\n")
        read_until(ours, "right", 30)
        os.write(ours, b"nobody What is there?\n")
        read_until(ours, "there is no camera", 30)
        assert "serving" in shown
    os.killpg(process.pid, signal.SIGINT)
    read_until(ours, None, 30)
    assert process.wait(timeout=30) in (0, 130)
    os.close(ours)
    assert_nothing_left(tmp_path)


def read_until(terminal: int, wanted: str | None, timeout_s: float) -> str:
    """What the terminal shows until `wanted`; None reads to the end."""
    shown, deadline = "", time.monotonic() + timeout_s
    while wanted is None or wanted not in shown:
        assert time.monotonic() < deadline, shown
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            data = b""
        if not data:
            assert wanted is None, shown
            return shown
        shown += data.decode(errors="replace")
    return shown


@pytest.mark.slow  # tests/integration/cli/test_up_survives.py kills `hermes up`
def test_a_killed_command_takes_its_processes_along(tmp_path: Path) -> None:
    process = subprocess.Popen(
        COMMAND,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if b"gateway:" in line:
            break
    # Redis rewrites its command line and environment, so they are noted before.
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("redis-server" in child.name() for child in family)
    assert len(family) >= 4
    process.kill()
    process.wait()
    process.stderr.close()
    _, alive = psutil.wait_procs(family, timeout=15)
    assert alive == []
    assert of_this_run(tmp_path) == []
