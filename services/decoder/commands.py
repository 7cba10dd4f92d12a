"""Commands: functions that other threads hand to one thread, which runs them in order."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress

Command = Callable[[], None]


class Commands:
    """A queue of commands that wakes the thread which waits on it. `put` is thread-safe."""

    def __init__(self) -> None:
        self._queue: deque[Command] = deque()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)

    def put(self, command: Command) -> None:
        """Have `command` run on the other thread. Never waits."""
        self._queue.append(command)
        with suppress(OSError):  # full: it is awake anyway; closed: it has stopped
            self._wake_out.send(b"!")

    def fileno(self) -> int:
        """Readable while there are commands."""
        return self._wake_in.fileno()

    def take_all(self) -> Iterator[Command]:
        """Take the commands that are queued, oldest first."""
        with suppress(OSError):
            self._wake_in.recv(4096)
        while self._queue:
            yield self._queue.popleft()

    def close(self) -> None:
        """Free the sockets. Later commands are queued and wake no thread."""
        self._wake_in.close()
        self._wake_out.close()
