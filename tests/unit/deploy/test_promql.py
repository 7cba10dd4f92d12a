"""The tests' own reading of PromQL."""

from __future__ import annotations

import pytest

from tests.support.promql import Selector, parse


@pytest.mark.parametrize(
    ("text", "selectors"),
    [
        ("up", [Selector("up")]),
        ("a:b{x='1', y!~\"z|,}\",}[5m]", [
            Selector("a:b", (("x", "=", "1"), ("y", "!~", "z|,}")), "5m"),
        ]),
        ("rate(a[5m]) / on (x) group_left (y) b > 0.5", [Selector("a", (), "5m"), Selector("b")]),
        ("a unless a offset 10m or absent(b{})", [Selector("a"), Selector("a"), Selector("b")]),
        ("histogram_quantile(0.5, sum by (le) (rate(a_bucket[$__rate_interval])))", [
            Selector("a_bucket", (), "$__rate_interval"),
        ]),
        ("sum(a == bool 1e9) without (x) # b", [Selector("a")]),
        ("topk(5, -a) and time() - 1 > inf", [Selector("a")]),
    ],
)  # fmt: skip
def test_selectors_are_found(text: str, selectors: list[Selector]) -> None:
    assert parse(text).selectors == selectors


def test_grouping_labels_are_found() -> None:
    text = "sum by (x, y) (a) / ignoring(z) group_left sum without (x) (b) and on () c"
    assert parse(text).grouping == ["x", "y", "z", "x"]


@pytest.mark.parametrize("text", ["a{x}", "a{x=1}", 'a{x=="1"}', "a @ end()", "sum by (1) (a)"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not understood|matcher|list of labels"):
        parse(text)


def test_a_selector_is_written_without_its_range() -> None:
    (selector,) = parse('rate(a{x="1",y=~"b|c"}[5m])').selectors
    assert selector.instant() == 'a{x="1",y=~"b|c"}'
    assert Selector("up").instant() == "up"
