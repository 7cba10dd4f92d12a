"""The decoder service that cannot start."""

from __future__ import annotations

import json
import socket
import subprocess
import sys


def test_a_taken_port_is_reported_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "services.decoder.main", "--metrics-host", "127.0.0.1",
             "--metrics-port", port],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    reported = json.loads(ended.stderr.splitlines()[-1])
    assert reported["event"] == "cannot_start"
    assert port in reported["error"]
    assert "Traceback" not in ended.stderr
