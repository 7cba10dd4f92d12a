"""The viewer: the caller of the call that runs now, for servicers that filter by themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass

from services.query_gateway.access.scopes import Action, Caller

Renew = Callable[[], Awaitable[Caller]]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whom a servicer answers. Without a `caller` there is no authentication: all is allowed."""

    caller: Caller | None = None
    renew: Renew | None = None

    def may(self, action: Action, camera_id: str) -> bool:
        """Whether the viewer may do this."""
        return self.caller is None or self.caller.may(action, camera_id)

    def may_read(self, camera_id: str) -> bool:
        """Whether the viewer may see this camera."""
        return self.may(Action.READ, camera_id)

    def check(self, action: Action, camera_id: str) -> None:
        """Raises `PermissionDenied`."""
        if self.caller is not None:
            self.caller.check(action, camera_id)

    @property
    def name(self) -> str:
        """The name in the token; "" without authentication."""
        return "" if self.caller is None else self.caller.who.partition(":")[2]

    async def renewed(self) -> Viewer:
        """The same viewer as the token is now, for calls that last. Raises `Unauthenticated`."""
        if self.renew is None:
            return self
        return Viewer(await self.renew(), self.renew)


ANYONE = Viewer()
_current: ContextVar[Viewer] = ContextVar("viewer", default=ANYONE)


def enter(caller: Caller, renew: Renew) -> None:
    """A call of this caller begins. Each call has a context of its own, which ends with it."""
    _current.set(Viewer(caller, renew))


def current() -> Viewer:
    """The viewer of the call that runs now."""
    return _current.get()
