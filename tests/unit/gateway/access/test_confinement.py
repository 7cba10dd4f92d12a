"""The cameras that a caller's watches may mean."""

from __future__ import annotations

import pytest

from hermes.errors import PermissionDenied
from services.query_gateway.access.confinement import confined_to, may_watch_all
from services.query_gateway.access.scopes import Caller, Scope
from services.query_gateway.access.viewer import ANYONE, Viewer


def viewer(scopes: str) -> Viewer:
    return Viewer(Caller("token:x", tuple(map(Scope.parse, scopes.split()))))


@pytest.mark.parametrize(
    ("scopes", "patterns"),
    [
        ("watch:* read:*", []),
        ("watch:dock-* read:*", ["dock-*"]),
        ("watch:* read:dock-* read:lobby", ["dock-*", "lobby"]),
        ("watch:dock-* read:dock-1", ["dock-1"]),
        ("watch:dock-1* watch:yard read:dock-* read:yard*", ["dock-1*", "yard"]),
    ],
)
def test_a_watch_is_confined_to_what_its_maker_may_watch_and_see(
    scopes: str, patterns: list[str]
) -> None:
    assert confined_to(viewer(scopes)) == patterns


@pytest.mark.parametrize("scopes", ["watch:*", "read:*", "watch:dock-* read:yard-*", "ask:*"])
def test_who_may_watch_nothing_makes_no_watch(scopes: str) -> None:
    with pytest.raises(PermissionDenied, match="both scopes"):
        confined_to(viewer(scopes))


def test_without_authentication_there_is_no_bound() -> None:
    assert confined_to(ANYONE) == []
    assert may_watch_all(ANYONE, ["*"])


@pytest.mark.parametrize(
    ("scopes", "patterns", "allowed"),
    [
        ("watch:*", ["*"], True),
        ("watch:dock-*", ["*"], False),
        ("watch:dock-*", ["dock-1", "dock-2*"], True),
        ("watch:dock-*", ["dock*"], False),
        ("watch:dock-1", ["dock-1*"], False),
        ("watch:dock-1 watch:yard-*", ["dock-1", "yard-*"], True),
        ("read:*", ["dock-1"], False),
    ],
)
def test_a_watch_is_changed_by_whom_it_could_have_been_made(
    scopes: str, patterns: list[str], allowed: bool
) -> None:
    assert may_watch_all(viewer(scopes), patterns) is allowed
