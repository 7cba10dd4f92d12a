"""The call that is being served: who makes it, and which cameras it turned out to be about.

The cameras of most calls are in their requests, and the guard checks them before
the call begins. Those of a call that selects cameras are known only later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from services.common.caller import UNKNOWN, mark_of
from services.query_gateway.access.scopes import Action, Caller

Renew = Callable[[], Awaitable[Caller]]


@dataclass(slots=True)
class CurrentCall:
    """A call whose caller is known."""

    caller: Caller
    cameras: tuple[str, ...] = ()
    """What it is about, for the audit log; empty if its request names one camera."""
    denied: tuple[str, ...] = ()
    """Those of them that the caller has no right to."""
    renew: Renew | None = None
    """Reads the caller's token again, for calls that last."""


_current: ContextVar[CurrentCall | None] = ContextVar("call", default=None)


@contextmanager
def serving(call: CurrentCall) -> Iterator[None]:
    """Serve the call inside."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


def current_call() -> CurrentCall:
    """The call that is being served. Raises RuntimeError if no guard has seen it."""
    call = _current.get()
    if call is None:  # let nothing through
        raise RuntimeError("no call is being served")
    return call


def current_mark() -> str:
    """The mark of the caller that is being served; `UNKNOWN` without authentication."""
    call = _current.get()
    return UNKNOWN if call is None else mark_of(call.caller.who)


class Rights:
    """What the caller of the current call may do."""

    def __init__(self, *, authenticated: bool) -> None:
        """`authenticated`: whether callers need a token. Without, each may do everything."""
        self._authenticated = authenticated

    def may(self, action: Action, camera_id: str) -> bool:
        """Whether the caller may do this."""
        return not self._authenticated or current_call().caller.may(action, camera_id)

    def check(self, action: Action, camera_id: str) -> None:
        """Raises `PermissionDenied`, with the same text whether or not the camera exists."""
        if self._authenticated:
            current_call().caller.check(action, camera_id)

    def asks(self, camera_ids: Sequence[str]) -> None:
        """Note for the audit log which cameras the call asks."""
        if not self._authenticated:
            return
        call = current_call()
        call.cameras = tuple(camera_ids)
        call.denied = tuple(id_ for id_ in camera_ids if not self.may(Action.ASK, id_))
