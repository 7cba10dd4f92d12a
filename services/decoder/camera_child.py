"""A camera's process as its supervisor sees it: something that may say anything, and may hang."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol, cast

from hermes.v1.camera_pb2 import SOURCE_ERROR_CODEC, SOURCE_ERROR_UNSPECIFIED, SourceError
from services.common import logs
from services.decoder.faults import FLOODED, STALLED, SourceFault
from services.decoder.report import STOP, Channel, Report
from services.decoder.sampler import RateCap

log = logs.get(__name__)

REPORTS_PER_SECOND = 20.0
"""Five times what a camera process sends."""

BURST_S = 30.0
"""At once it lets through more than a channel holds: all that came while the supervisor was
stopped."""

_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


class Process(Protocol):
    """The part of `multiprocessing.Process` that is used here."""

    @property
    def pid(self) -> int | None:
        """Its id."""
        ...

    @property
    def sentinel(self) -> int:
        """A descriptor that is readable once the process has ended."""
        ...

    @property
    def exitcode(self) -> int | None:
        """None while it runs."""
        ...

    def kill(self) -> None:
        """Send SIGKILL."""
        ...

    def close(self) -> None:
        """Free what belongs to it. Raises ValueError while it runs."""
        ...


class CameraChild:
    """A started camera process and the channel to it. No method waits for the process."""

    def __init__(self, process: Process, channel: Channel, now_s: float) -> None:
        """`now_s`: the supervisor's clock, as everywhere here."""
        self._process = process
        self._channel = channel
        self._sentinel = process.sentinel
        self._cap = RateCap(REPORTS_PER_SECOND, BURST_S)
        self._hung_up = False
        self._unreadable = 0
        self._fault: SourceFault | None = None
        self.started_s = now_s
        self.heard_s = now_s
        """When its last readable report came."""

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        """None while the process runs."""
        return self._process.exitcode

    @property
    def killed(self) -> bool:
        """Whether it was killed for a fault of its own."""
        return self._fault is not None

    def waitables(self) -> list[Any]:
        """What becomes readable when there is something to do, for `multiprocessing.wait`."""
        # A channel that was hung up is readable for ever.
        listening = [] if self._hung_up or self.killed else [self._channel]
        return [self._sentinel, *listening]

    def reports(self, now_s: float) -> Iterator[Report]:
        """What it said since the last call.

        What cannot be read is skipped, and does not count as a sign of life. A
        process that sends more than it should is killed.
        """
        while not self._hung_up and not self.killed:
            message = self._channel.receive()
            if message == "nothing":
                return
            if not isinstance(message, bytes):
                self._hung_up = True
                return
            if not self._cap.allows(now_s):
                self.kill(FLOODED)
                return
            try:
                report = Report.from_bytes(message)
            except ValueError as error:
                self._unreadable += 1
                if self._unreadable == 1:  # once, not for every report
                    log.error("report_unreadable", pid=self.pid, error=str(error)[:100])
                continue
            self.heard_s = now_s
            yield report

    def watch(self, now_s: float, watchdog_s: float) -> bool:
        """Kill the process if it was silent for too long. Whether that was done now."""
        if self.killed or now_s - self.heard_s <= watchdog_s:
            return False
        self.kill(STALLED)
        return True

    def excuse(self, now_s: float) -> None:
        """Its silence so far proves nothing: the supervisor did not run."""
        self.heard_s = now_s

    def stop(self) -> None:
        """Ask it to publish what it holds, and to end."""
        self._channel.send(STOP)

    def kill(self, fault: SourceFault | None = None) -> None:
        """End it at once; it may take the kernel a while. `fault`: why, if it is its own."""
        self._fault = self._fault or fault
        self._process.kill()

    def close(self) -> None:
        """Free what belongs to it here."""
        self._channel.close()
        with suppress(ValueError):  # it is still dying: multiprocessing reaps it later
            self._process.close()

    def why_it_ended(self, last: Report) -> SourceFault:
        """The fault of a process that ended without being asked to. `last`: its last report."""
        exitcode = self.exitcode or 0
        if self._fault is not None:
            return self._fault
        if exitcode < 0 and -exitcode in _CRASHES:
            return SourceFault(
                SOURCE_ERROR_CODEC, f"the reader crashed (signal {-exitcode}) and was restarted"
            )
        if exitcode > 0 and last.message:
            return SourceFault(cast(SourceError, last.error), last.message)
        return SourceFault(
            SOURCE_ERROR_UNSPECIFIED, f"the reader ended (exit {exitcode}) and was restarted"
        )
