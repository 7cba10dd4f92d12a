"""What cannot be right on a command line is one line in plain words, never a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import program

NOWHERE = ("-g", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((b"ask", b"lobby", b"what\xff?", *NOWHERE), "question.text: holds bytes"),
        ((b"camera", b"get", b"lob\xff", *NOWHERE), "camera_id: holds bytes"),
        (("camera", "list", "-g", "http://gateway:50051"), "write host:port without one"),
        (("camera", "list", "-g", b"gate\xff:1"), "characters that no address has"),
        (("camera", "list", "-g", "gateway:abc"), "'gateway:abc': 'abc' is not a port"),
        (("camera", "list", "--token-file", "/", *NOWHERE), "directory"),
        (("ask", "lobby", "what?", "--timeout", "inf", *NOWHERE), "--timeout"),
    ],
)
def test_one_line_that_says_what_is_wrong(
    arguments: tuple[str | bytes, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = program.run("services.cli.main", *arguments)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_of_its_own_says_so_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "camera", "get", b"lob\xff", *NOWHERE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert "camera_id: holds bytes" in done.stderr
    assert "Traceback" not in done.stderr
