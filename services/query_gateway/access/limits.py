"""Limits of one caller at this gateway: calls a second, open calls, and calls that follow."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from hermes.errors import Overloaded

MAX_CALLERS = 10_000
"""Callers whose rates are remembered; the least recent caller is forgotten first."""
RETRY_AFTER_S = 1.0


class CallerLimits:
    """A token bucket and a count of open calls for each caller. For one event loop.

    A bucket is stored as the time at which it will be full again. A full bucket
    needs no entry.
    """

    def __init__(
        self,
        calls_per_second: float,
        burst: int,
        open_calls: int,
        clock: Callable[[], float] = time.monotonic,
        max_callers: int = MAX_CALLERS,
    ) -> None:
        self._interval_s = 1 / calls_per_second
        self._burst = burst
        self._open_calls = open_calls
        self._clock = clock
        self._max_callers = max_callers
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._open: Counter[str] = Counter()
        self._following: Counter[str] = Counter()

    def enter(self, who: str, *, follows: bool = False, most_followers: int = 0) -> None:
        """Begin a call, which `leave` ends. Raises `Overloaded`; a refused call is not counted.

        `follows`: it is sent events or frames as they come, of which the caller may have
        `most_followers` open; 0 is no limit.
        """
        if self._open[who] >= self._open_calls:
            raise Overloaded(
                f"{self._open_calls} calls of yours are open, the most allowed", RETRY_AFTER_S
            )
        if follows and most_followers and self._following[who] >= most_followers:
            raise Overloaded(
                "this token has as many calls open that follow events or frames as it may"
                f" ({self._following[who]} of {most_followers}, at each gateway): end one, or ask"
                " its issuer for more",
                RETRY_AFTER_S,
            )
        now = self._clock()
        full_at = max(now, self._full_at.get(who, now)) + self._interval_s
        wait_s = full_at - now - self._burst * self._interval_s
        if wait_s > 1e-9:  # not a rounding error
            raise Overloaded(
                f"you may call {1 / self._interval_s:g} times a second, and {self._burst} times"
                " at once",
                wait_s,
            )
        self._full_at[who] = full_at
        self._full_at.move_to_end(who)
        while len(self._full_at) > self._max_callers:
            self._full_at.popitem(last=False)
        self._open[who] += 1
        self._following[who] += follows

    def leave(self, who: str, *, follows: bool = False) -> None:
        """End a call that `enter` began."""
        self._open -= Counter([who])
        self._following[who] -= follows
        if not self._following[who]:
            del self._following[who]

    @property
    def callers(self) -> int:
        """How many callers are remembered."""
        return len(self._full_at.keys() | self._open.keys())
