"""Rules in less time are the same rules, but for their durations."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.monitoring import PROMETHEUS, read
from tests.support.promql import parse, tokens
from tests.support.scaled_rules import scaled, shorter

RULES = [
    rule
    for name in ("recording.yml", "alerts.yml")
    for group in read(PROMETHEUS / "rules" / name)["groups"]
    for rule in group["rules"]
]


def one(rule: dict[str, Any], factor: int, bounds: dict[str, tuple[str, str]] | None = None) -> Any:
    document = {"groups": [{"name": "g", "rules": [rule]}]}
    (group,) = scaled(document, factor, bounds or {})["groups"]
    return group["rules"][0]


@pytest.mark.parametrize(
    ("given", "made"),
    [("5m", "10000ms"), ("1h", "120000ms"), ("3d", "8640000ms"), ("30s", "1000ms")],
)
def test_a_duration_is_divided(given: str, made: str) -> None:
    assert shorter(given, 30) == made


@pytest.mark.parametrize("wrong", ["", "5", "1h30m", "1w", "$__rate_interval", "1h:5m"])
def test_what_is_no_duration_is_told(wrong: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        shorter(wrong, 30)


def test_milliseconds_are_not_split() -> None:
    with pytest.raises(ValueError, match="without a rest"):
        shorter("1s", 7)


def test_ranges_offsets_and_patience_are_all_that_changes() -> None:
    expr = 'rate(a_5m_total{outcome="1h"}[5m]) > 300 unless a_5m_total offset 10m'
    made = one({"alert": "A", "expr": expr, "for": "2m", "labels": {"x": "5m"}}, 60)
    assert made == {
        "alert": "A",
        "expr": 'rate(a_5m_total{outcome="1h"}[5000ms]) > 300 unless a_5m_total offset 10000ms',
        "for": "2000ms",
        "labels": {"x": "5m"},
    }


@pytest.mark.parametrize("rule", RULES, ids=[r.get("record") or r["alert"] for r in RULES])
def test_no_duration_of_a_shipped_rule_is_left_as_it_was(rule: dict[str, Any]) -> None:
    made = one(rule, 30)
    ranges = [selector.range for selector in parse(rule["expr"]).selectors]
    assert [s.range for s in parse(made["expr"]).selectors] == [
        shorter(one, 30) if one else "" for one in ranges
    ]
    words = [word for _, word in tokens(made["expr"])]
    assert all(word.endswith("ms") for word in words if re.fullmatch(r"\d+[a-z]+", word))
    assert ("for" in made) == ("for" in rule)


def test_a_bound_is_changed_where_it_stands_once() -> None:
    rule = {"alert": "A", "expr": "age > 240"}
    assert one(rule, 30, {"A": ("> 240", "> 8")})["expr"] == "age > 8"
    assert one(rule, 30, {"B": ("> 240", "> 8")})["expr"] == "age > 240"
    for expr in ("age > 300", "age > 240 or b > 240"):
        with pytest.raises(ValueError, match="once"):
            one({**rule, "expr": expr}, 30, {"A": ("> 240", "> 8")})
