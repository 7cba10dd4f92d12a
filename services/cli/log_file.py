"""What the log of a service says about its start and its end."""

from __future__ import annotations

import json
import signal
from pathlib import Path

READ_BYTES = 64 << 10
MOST_LINES = 15
"""An error further up did not end the service."""
PLAIN_LINES = 3


def how_it_ended(status: int) -> str:
    """The status of a process that has ended, for people."""
    if status >= 0:
        return f"status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"killed by {name}" + (", as when memory runs out" if name == "SIGKILL" else "")


def last_words(log: Path) -> str:
    """Why a service ended: its last error, or else its last lines that are not JSON.

    Empty if the log has neither.
    """
    plain: list[str] = []
    for line in reversed(last_lines(log)):
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            if len(plain) < PLAIN_LINES:
                plain.insert(0, f"  {line.strip()}")
            continue
        if plain:  # a traceback, or a message of the interpreter, follows the last event
            break
        if event.get("event") == "starting":  # what stands before is of an earlier process
            break
        if event.get("level") in ("error", "critical"):
            reason = event.get("error") or event.get("exception") or ""
            last = str(reason).strip().splitlines()[-1:] or [""]
            return f"  {event.get('event')}: {last[0]}".rstrip(": ")
    return "\n".join(plain)


def load_progress(log: Path) -> str:
    """How far the loading of a model has come; empty if nothing is said about it."""
    for line in reversed(last_lines(log)):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("event") == "loading_model":
            return str(event.get("progress", ""))
    return ""


def last_lines(log: Path | None) -> list[str]:
    """The end of a log; nothing if it cannot be read."""
    if log is None:
        return []
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - READ_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-MOST_LINES:]
