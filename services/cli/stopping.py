"""Stopping child processes: in order, in good time, and not in silence."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

STOP_TIMEOUT_S = 20.0
SILENT_S = 1.0
"""What takes longer is announced."""
SAY_EVERY_S = 5.0
BOUNCE_S = 0.5
"""A second interrupt within this time is the first one, delivered twice."""
_LOOK_EVERY_S = 0.02

SIGNALS = (signal.SIGINT, signal.SIGTERM)

Named = Mapping[str, "subprocess.Popen[bytes]"]


class _Hurry:
    """Whether the person has asked a second time."""

    def __init__(self) -> None:
        self.asked = False
        self._began = time.monotonic()

    def ask(self, *_: object) -> None:
        self.asked = self.asked or time.monotonic() - self._began > BOUNCE_S


def stop_all(
    groups: Sequence[Named], say: Callable[[str], None], timeout_s: float = STOP_TIMEOUT_S
) -> None:
    """End the processes of one group after another, those of a group at the same time.

    A process that takes longer than `timeout_s` is killed; a Ctrl-C meanwhile kills all of them.
    """
    with _hurrying() as hurry:
        for group in groups:
            for process in group.values():
                if process.poll() is None:
                    process.terminate()
            if left := _wait(group, say, timeout_s, hurry):
                if not hurry.asked:
                    say(f"killing {', '.join(left)}: not ended after {timeout_s:.0f} s")
                for process in left.values():
                    process.kill()
                    process.wait()


def _wait(group: Named, say: Callable[[str], None], timeout_s: float, hurry: _Hurry) -> Named:
    """Wait until all have ended, or time is up; those that are left."""
    began = time.monotonic()
    say_at = began + SILENT_S
    while True:
        left = {name: process for name, process in group.items() if process.poll() is None}
        now = time.monotonic()
        if not left or hurry.asked or now - began > timeout_s:
            return left
        if now >= say_at:
            say(f"waiting for {', '.join(left)} to end (Ctrl-C: end at once)")
            say_at = now + SAY_EVERY_S
        time.sleep(_LOOK_EVERY_S)


@contextlib.contextmanager
def _hurrying() -> Iterator[_Hurry]:
    hurry = _Hurry()
    previous = {number: signal.signal(number, hurry.ask) for number in SIGNALS}
    try:
        yield hurry
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
