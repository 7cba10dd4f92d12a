"""What the caller of the current call may hold and ask for."""

from __future__ import annotations

from services.query_gateway.access.current import current_call
from services.query_gateway.access.token_limits import NONE, Quota, TokenLimits


class Allowed:
    """The limits of the current caller. Without authentication there are none."""

    def __init__(self, defaults: TokenLimits = NONE, *, authenticated: bool = False) -> None:
        """`defaults`: the gateway's, for tokens that say nothing of their own."""
        self._defaults = defaults
        self._authenticated = authenticated

    def limits(self) -> TokenLimits:
        """The current caller's limits."""
        if not self._authenticated:
            return NONE
        return current_call().caller.limits.over(self._defaults)

    def cameras(self) -> Quota:
        """How many cameras the current caller may have added."""
        most = self.limits().cameras or 0
        return Quota(self._who(), most, "cameras", "remove one that is not needed")

    def watches(self) -> Quota:
        """How many watches the current caller may have created."""
        most = self.limits().watches or 0
        return Quota(self._who(), most, "watches", "delete one that is not needed")

    def _who(self) -> str:
        return current_call().caller.who if self._authenticated else ""
