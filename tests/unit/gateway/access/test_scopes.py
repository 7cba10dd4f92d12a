"""What a scope covers, and how one is written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.errors import PermissionDenied
from services.common.cameras import ID_PATTERN
from services.query_gateway.access.scopes import Action, Caller, Scope

ids = st.from_regex(ID_PATTERN, fullmatch=True)
actions = st.sampled_from(Action)


@pytest.mark.parametrize(
    ("scope", "covered", "not_covered"),
    [
        ("ask:lobby", ["lobby"], ["lobby2", "lobb", "", "Lobby"]),
        ("ask:dock-*", ["dock-1", "dock-"], ["dock", "adock-1"]),
        ("ask:*", ["lobby", "d", ""], []),
    ],
)
def test_cameras(scope: str, covered: list[str], not_covered: list[str]) -> None:
    parsed = Scope.parse(scope)
    assert [camera for camera in covered if not parsed.covers(Action.ASK, camera)] == []
    assert [camera for camera in not_covered if parsed.covers(Action.ASK, camera)] == []


@settings(deadline=None)
@given(actions, actions, ids)
def test_no_action_includes_another(had: Action, wanted: Action, camera: str) -> None:
    for cameras in ("*", camera, f"{camera[:-1]}*"):
        assert Scope(had, cameras).covers(wanted, camera) == (had is wanted)


@settings(deadline=None)
@given(actions, ids, ids)
def test_an_id_covers_only_itself(action: Action, one: str, other: str) -> None:
    assert Scope.parse(f"{action}:{one}").covers(action, other) == (one == other)


@pytest.mark.parametrize(
    "text",
    [
        *("", "ask", "ask:", ":lobby", "*:lobby", "write:lobby", "ASK:lobby", "ask:lobby "),
        *(
            "ask:*lobby",
            "ask:do*ck",
            "ask:**",
            "ask:a b",
            "ask:.x",
            "ask:lobby\n",
            "ask:" + "x" * 65,
        ),
    ],
)
def test_malformed_scopes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write ACTION:CAMERAS"):
        Scope.parse(text)


def test_a_denial_names_the_scope_and_shows_nothing_odd() -> None:
    caller = Caller("token:x", (Scope.parse("read:lobby"),))
    caller.check(Action.READ, "lobby")
    with pytest.raises(PermissionDenied, match="no scope ask:lobby"):
        caller.check(Action.ASK, "lobby")
    with pytest.raises(PermissionDenied) as caught:
        caller.check(Action.ASK, "evil\n" * 100_000)
    assert "ask:?" in str(caught.value)
    assert len(str(caught.value)) < 100
