"""The cameras that a caller's watches may mean, as ids and beginnings of ids with a star."""

from __future__ import annotations

from collections.abc import Iterable

from hermes.errors import PermissionDenied
from services.query_gateway.access.scopes import Action, Caller
from services.query_gateway.access.viewer import Viewer

EVERYTHING = "*"


def confined_to(viewer: Viewer) -> list[str]:
    """What a watch by labels is confined to: cameras that its maker may watch, and see.

    Empty if the maker may watch all. Raises `PermissionDenied` if it may watch none.
    """
    if viewer.caller is None:
        return []
    both = {
        narrower
        for one in _patterns(viewer.caller, Action.WATCH)
        for other in _patterns(viewer.caller, Action.READ)
        if (narrower := _common(one, other)) is not None
    }
    if not both:
        raise PermissionDenied(
            "this token has no camera of which it has both scopes, watch and read; ask its issuer"
        )
    return [] if EVERYTHING in both else sorted(both)


def may_watch_all(viewer: Viewer, patterns: Iterable[str]) -> bool:
    """Whether the viewer may watch every camera that one of the patterns means."""
    if viewer.caller is None:
        return True
    allowed = _patterns(viewer.caller, Action.WATCH)
    return all(any(_includes(one, pattern) for one in allowed) for pattern in patterns)


def _patterns(caller: Caller, action: Action) -> list[str]:
    return [scope.cameras for scope in caller.scopes if scope.action is action]


def _includes(pattern: str, other: str) -> bool:
    if not pattern.endswith(EVERYTHING):
        return pattern == other
    return other.removesuffix(EVERYTHING).startswith(pattern[:-1])


def _common(one: str, other: str) -> str | None:
    if _includes(one, other):
        return other
    return one if _includes(other, one) else None
