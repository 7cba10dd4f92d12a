"""The viewer: whom a servicer answers that filters by itself what it shows."""

from __future__ import annotations

from dataclasses import dataclass

from services.query_gateway.access.current import Renew, current_call
from services.query_gateway.access.scopes import Action, Caller


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


class Viewers:
    """Says for whom the call is that runs now."""

    def __init__(self, *, authenticated: bool) -> None:
        """`authenticated`: whether callers need a token. Without, each may do everything."""
        self._authenticated = authenticated

    def current(self) -> Viewer:
        """The viewer of the call that runs now. Raises RuntimeError if no guard has seen it."""
        if not self._authenticated:
            return ANYONE
        call = current_call()
        return Viewer(call.caller, call.renew)
