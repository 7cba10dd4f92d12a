"""Scopes: which actions a caller may take on which cameras.

A scope is written `ACTION:CAMERAS`. `CAMERAS` is a camera's id, or a prefix of
ids and a star: `ask:lobby`, `read:dock-*`, `admin:*`. No action includes
another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from hermes.errors import PermissionDenied
from services.common.cameras import ID_PATTERN
from services.query_gateway.access.token_limits import NONE as NO_LIMITS
from services.query_gateway.access.token_limits import TokenLimits


class Action(StrEnum):
    """An action on a camera."""

    ASK = "ask"
    """Ask about it, see its pictures."""
    READ = "read"
    """List it, get it, look inside its memory."""
    ADMIN = "admin"
    """Add it, change it, remove it, open its source to see what it is."""
    WATCH = "watch"
    """Have watches on it: create them, change them, try them, delete them."""
    ACK = "ack"
    """Acknowledge its events."""


_SCOPE = re.compile(rf"({'|'.join(Action)}):((?:{ID_PATTERN.pattern})?\*|{ID_PATTERN.pattern})")


@dataclass(frozen=True, slots=True)
class Scope:
    """One action on some cameras."""

    action: Action
    cameras: str

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Raises ValueError saying how scopes are written."""
        match = _SCOPE.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text[:80]!r} is no scope: write ACTION:CAMERAS, e.g. ask:lobby, read:dock-* or"
                f" admin:*, where ACTION is one of {', '.join(Action)}"
            )
        return cls(Action(match[1]), match[2])

    def covers(self, action: Action, camera_id: str) -> bool:
        """Whether the scope allows this action on this camera."""
        if action != self.action:
            return False
        if self.cameras.endswith("*"):
            return camera_id.startswith(self.cameras[:-1])
        return camera_id == self.cameras


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller with a valid token. `who` is its name in logs: `token:NAME` or `jwt:SUBJECT`."""

    who: str
    scopes: tuple[Scope, ...]
    limits: TokenLimits = NO_LIMITS
    """Those that its token names."""

    def may(self, action: Action, camera_id: str) -> bool:
        """Whether any scope covers this."""
        return any(scope.covers(action, camera_id) for scope in self.scopes)

    def check_any(self, action: Action) -> None:
        """Raises `PermissionDenied` if there is no camera at all on which it may do this."""
        if not any(scope.action is action for scope in self.scopes):
            raise PermissionDenied(f"this token has no scope {action}:...; ask its issuer")

    def check(self, action: Action, camera_id: str) -> None:
        """Raises `PermissionDenied`, with the same text whether or not the camera exists."""
        if not self.may(action, camera_id):
            raise PermissionDenied(
                f"this token has no scope {action}:{shown_id(camera_id)}; ask its issuer"
            )


def shown_id(camera_id: str) -> str:
    """A client's camera id for logs and messages; `?` if it is not a valid id."""
    return camera_id if ID_PATTERN.fullmatch(camera_id) else "?"
