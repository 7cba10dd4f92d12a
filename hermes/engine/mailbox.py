"""The device thread's mailbox: commands of other threads, in the order they were posted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from hermes.errors import HermesError, Unavailable, as_hermes_error

T = TypeVar("T")

SHUTTING_DOWN = "the worker is shutting down"

Refused = Callable[[HermesError], None]


def _ignore(error: HermesError) -> None:
    """No caller waits for the outcome."""


@dataclass(frozen=True, slots=True)
class _Letter:
    work: Callable[[], None]
    refused: Refused


class Mailbox:
    """Commands for one thread. `post`, `call`, `wake` and `stop` may be called from any thread.

    Each command is either run or refused, exactly once, also when the thread ends.
    """

    def __init__(self) -> None:
        self._letters: deque[_Letter] = deque()
        self._changed = threading.Condition()
        self._stopped = False

    # -- from any thread -----------------------------------------------------

    def post(self, work: Callable[[], None], refused: Refused = _ignore) -> None:
        """Queue a command. If the thread ends first, `refused` is called instead.

        Raises `Unavailable` once the mailbox is stopped.
        """
        with self._changed:
            if self._stopped:
                raise Unavailable(SHUTTING_DOWN)
            self._letters.append(_Letter(work, refused))
            self._changed.notify()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Hold the thread off meanwhile: it finds all commands that are posted within together."""
        with self._changed:
            yield

    def call(self, work: Callable[[], T], doing: str) -> Future[T]:
        """Queue a command and return the future of its result.

        The future fails with a `HermesError`: `work`'s own, or `Unavailable` if the
        thread ends first. If it is cancelled before the command runs, the command
        is skipped. `doing` names the command in the log. Raises `Unavailable` as
        `post` does.
        """
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = work()
            except Exception as error:
                future.set_exception(as_hermes_error(error, doing))
            else:
                future.set_result(result)

        self.post(run, lambda error: fail(future, error))
        return future

    @property
    def stopped(self) -> bool:
        """Whether commands are refused."""
        return self._stopped

    def wake(self) -> None:
        """Wake the thread if it waits."""
        with self._changed:
            self._changed.notify()

    def stop(self) -> None:
        """Refuse new commands, and end the thread after its current one."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    # -- on the thread that reads it -----------------------------------------

    def run(self, on_error: Callable[[Exception], None]) -> bool:
        """Run the queued commands. False once the thread should end; `close` refuses the rest."""
        while True:
            with self._changed:
                if self._stopped:
                    return False
                if not self._letters:
                    return True
                letter = self._letters.popleft()
            try:
                letter.work()
            except Exception as error:
                on_error(error)

    def wait(self, seconds: float) -> None:
        """Wait for a command, `wake` or `stop`, at most `seconds`."""
        with self._changed:
            if not self._letters and not self._stopped:
                self._changed.wait(seconds)

    def close(self) -> None:
        """Refuse the queued commands and all later ones."""
        self.stop()
        with self._changed:
            letters = list(self._letters)
            self._letters.clear()
        for letter in letters:
            letter.refused(Unavailable(SHUTTING_DOWN))


def fail(future: Future[T], error: HermesError) -> None:
    """Fail a future whose work has not begun, unless it was cancelled."""
    if future.set_running_or_notify_cancel():
        future.set_exception(error)
