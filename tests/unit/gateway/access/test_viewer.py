"""For whom a call is that a servicer filters by itself."""

from __future__ import annotations

import pytest

from hermes.errors import PermissionDenied
from services.query_gateway.access.current import CurrentCall, serving
from services.query_gateway.access.scopes import Action, Caller, Scope
from services.query_gateway.access.viewer import ANYONE, Viewers

ALICE = Caller("token:alice", (Scope.parse("read:dock-*"), Scope.parse("ack:dock-1")))


def test_without_authentication_everything_is_allowed() -> None:
    viewer = Viewers(authenticated=False).current()
    assert viewer is ANYONE
    assert viewer.may(Action.WATCH, "lobby")
    assert viewer.name == ""
    viewer.check(Action.ACK, "lobby")


def test_with_it_a_viewer_is_the_caller() -> None:
    with serving(CurrentCall(ALICE)):
        viewer = Viewers(authenticated=True).current()
    assert viewer.name == "alice"
    assert viewer.may_read("dock-7")
    assert not viewer.may_read("lobby")
    with pytest.raises(PermissionDenied):
        viewer.check(Action.ACK, "dock-7")


def test_a_call_that_no_guard_has_seen_gets_nothing() -> None:
    with pytest.raises(RuntimeError):
        Viewers(authenticated=True).current()


async def test_a_token_is_read_again() -> None:
    bob = Caller("token:bob", ())

    async def renew() -> Caller:
        return bob

    with serving(CurrentCall(ALICE, renew=renew)):
        viewer = Viewers(authenticated=True).current()
    again = await viewer.renewed()
    assert (again.name, (await again.renewed()).name) == ("bob", "bob")
    assert await ANYONE.renewed() is ANYONE
