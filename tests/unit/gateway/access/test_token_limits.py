"""What a token says of its caller's limits, and what holds where it says nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hermes.errors import InvalidInput, LimitReached, Overloaded, Unauthenticated
from services.query_gateway.access.allowed import Allowed
from services.query_gateway.access.current import CurrentCall, serving
from services.query_gateway.access.limits import CallerLimits
from services.query_gateway.access.scopes import Caller
from services.query_gateway.access.token_file import TokenFile, hash_of, new_token, parse
from services.query_gateway.access.token_limits import NONE, Quota, TokenLimits
from tests.support.tokens import signed
from tests.unit.gateway.access.test_jwts import verifier


def test_a_tokens_own_limits_count_before_the_gateways() -> None:
    defaults = TokenLimits(cameras=100, watches=5, followers=12)
    own = TokenLimits(cameras=3, watches=0, span_s=60.0)
    assert own.over(defaults) == TokenLimits(cameras=3, watches=0, followers=12, span_s=60.0)
    assert NONE.over(defaults) == defaults


def test_limits_are_on_the_line_of_a_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    token, line = new_token("guest", ["ask:*"], limits={"cameras": 2, "span_s": 3600})
    old, old_line = new_token("old", ["ask:*"])
    path.write_text(f"{line}\n{old_line}\n")
    assert "limits" not in old_line
    file = TokenFile(path)
    guest, other = file.caller(token), file.caller(old)
    assert guest is not None
    assert other is not None
    assert guest.limits == TokenLimits(cameras=2, span_s=3600)
    assert other.limits == NONE


@pytest.mark.parametrize(
    ("limits", "reported"),
    [
        ({"camera": 2}, "0.limits.camera: Extra"),
        ({"cameras": -1}, "0.limits.cameras: Input should be greater"),
        ({"watches": "many"}, "0.limits.watches"),
        ({"cameras": False}, "0.limits.cameras: must be a number; 0 is no limit"),
        ({"cameras": 2.5}, "0.limits.cameras"),
        ({"span_s": float("nan")}, "0.limits.span_s"),
        ({"span_s": float("inf")}, "0.limits.span_s"),
        ([5], "0.limits"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named(limits: Any, reported: str) -> None:
    entry = {"name": "a", "sha256": hash_of("x"), "scopes": [], "limits": limits}
    with pytest.raises(InvalidInput, match=reported):
        parse(json.dumps([entry]).encode(), "tokens.yaml")


async def test_limits_of_a_jwt() -> None:
    caller = await verifier().caller(signed(hermes_limits={"watches": 4}))
    assert caller.limits == TokenLimits(watches=4)
    assert (await verifier().caller(signed())).limits == NONE
    renamed = await verifier(limits_claim="quota").caller(signed(quota={"cameras": 1}))
    assert renamed.limits.cameras == 1
    for wrong in ({"watch": 4}, "4", {"watches": -1}, {"watches": False}, {"span_s": "nan"}):
        with pytest.raises(Unauthenticated, match=r"has limits .* that make no sense"):
            await verifier().caller(signed(hermes_limits=wrong))


def test_a_quota_says_what_is_held_and_what_to_do() -> None:
    defaults = TokenLimits(cameras=2, watches=0)
    with serving(CurrentCall(Caller("token:guest", ()))):
        allowed = Allowed(defaults, authenticated=True)
        quota = allowed.cameras()
        assert not allowed.watches().bounds
    quota.check(1)
    with pytest.raises(LimitReached) as caught:
        quota.check(2)
    assert str(caught.value) == (
        "this token has as many cameras as it may (2 of 2): remove one that is not needed, or ask"
        " its issuer for more"
    )
    assert not Allowed(defaults).cameras().bounds, "without authentication there is no limit"
    Quota("token:guest", 0, "cameras", "").check(10**6)


def test_calls_that_follow_have_a_bound_of_their_own() -> None:
    calls = CallerLimits(1e9, 10**6, 16)
    for _ in range(2):
        calls.enter("a", follows=True, most_followers=2)
    with pytest.raises(Overloaded, match=r"follow .* \(2 of 2, at each gateway\)") as caught:
        calls.enter("a", follows=True, most_followers=2)
    assert caught.value.retry_after_s == 1.0
    calls.enter("a")
    calls.enter("b", follows=True, most_followers=2)
    calls.leave("a")
    calls.leave("a", follows=True)
    calls.enter("a", follows=True, most_followers=2)
    calls.enter("a", follows=True, most_followers=0)
    calls.enter("a", follows=True, most_followers=4)
    with pytest.raises(Overloaded, match=r"\(4 of 4"):
        calls.enter("a", follows=True, most_followers=4)
