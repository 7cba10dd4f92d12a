"""Labels are written as those of Kubernetes; what is wrong is named with its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.errors import InvalidInput
from hermes.labels import (
    MAX_LABELS,
    check_display_name,
    check_labels,
    display_name_fault,
    key_fault,
    labels_text,
    read_changes,
    read_labels,
    value_fault,
)
from tests.support.examples import at_most
from tests.support.labels import DOMAINS, KEYS, LABELS, NAMES, VALUES

GOOD_KEYS = [
    "site",
    "Site_1.a-b",
    "0",
    "example.com/site",
    "0.1.2.domain/99",
    "a-b.c/d",
    "a" * 63,
    f"{'a' * 63}.{'b' * 189}/{'c' * 63}",
]
BAD_KEYS = [
    ("", "is empty"),
    ("/site", "nothing before its '/'"),
    ("example.com/", "nothing after its '/'"),
    ("a b", "' ' at character 2"),
    ("site\n", "'\\n' at character 5"),
    ("example.com/a:b", "':' at character 14"),
    ("größe", "'ö' at character 3"),
    ("-site", "begin and end"),
    ("site.", "begin and end"),
    ("Example.com/site", "'E' at character 1, before its '/'"),
    ("a/b/c", "'/' at character 2, before its '/'"),
    ("a..b/c", "no domain"),
    ("-a/c", "no domain"),
    ("a" * 64, "has 64 characters; 63"),
    (f"{'a' * 254}/b", "has 254 characters; 253"),
]


@pytest.mark.parametrize("key", GOOD_KEYS)
def test_a_key_is_a_name_with_or_without_a_domain(key: str) -> None:
    assert key_fault(key) is None


@pytest.mark.parametrize(("key", "said"), BAD_KEYS)
def test_what_is_wrong_with_a_key(key: str, said: str) -> None:
    assert said in str(key_fault(key))
    with pytest.raises(InvalidInput) as refused:
        check_labels({key: "x"})
    assert refused.value.field == "camera.labels"
    assert str(refused.value).isascii() or "ö" in key


@pytest.mark.parametrize("value", ["", "dock", "2", "A_1.b-c", "a" * 63])
def test_a_value_is_a_name_or_empty(value: str) -> None:
    assert value_fault(value) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("gate 3", "' ' at character 5"),
        ("a/b", "'/' at character 2"),
        ("-2", "begin and end"),
        ("dock\n", "'\\n' at character 5"),
        ("a" * 64, "has 64 characters; 63"),
    ],
)
def test_what_is_wrong_with_a_value(value: str, said: str) -> None:
    assert said in str(value_fault(value))
    with pytest.raises(InvalidInput, match="'site': the value") as refused:
        check_labels({"site": value})
    assert refused.value.field == "camera.labels"


@settings(max_examples=at_most(25))
@given(NAMES, DOMAINS, VALUES)
def test_everything_that_kubernetes_allows_is_allowed(name: str, domain: str, value: str) -> None:
    assert key_fault(name) is None
    assert key_fault(f"{domain}/{name}") is None
    assert value_fault(value) is None


@given(st.text())
def test_what_is_allowed_is_short_and_ascii(text: str) -> None:
    if value_fault(text) is None:
        assert text.isascii()
        assert len(text) <= 63
        assert text == "" or (text[0].isalnum() and text[-1].isalnum())
    if key_fault(text) is None:
        assert text.isascii()
        assert len(text) <= 253 + 1 + 63


def test_a_camera_has_at_most_32_labels_of_4096_bytes() -> None:
    many = {f"label-{number}": "x" for number in range(MAX_LABELS + 1)}
    with pytest.raises(InvalidInput, match="there are 33 labels; 32 are allowed"):
        check_labels(many)
    del many["label-0"]
    check_labels(many)
    large = {f"{'d' * 240}.{number}/site": "y" * 60 for number in range(14)}
    with pytest.raises(InvalidInput, match=r"have \d+ bytes together; 4096 are allowed"):
        check_labels(large)


def test_labels_are_written_as_they_are_read() -> None:
    assert read_labels(["site=dock", "floor="], "--label") == {"site": "dock", "floor": ""}
    assert labels_text({"site": "dock", "floor": "2"}) == "floor=2,site=dock"
    assert read_changes(["site=yard", "floor-"], "--label") == ({"site": "yard"}, ["floor"])


@settings(max_examples=at_most(25))
@given(LABELS)
def test_labels_come_back(labels: dict[str, str]) -> None:
    texts = labels_text(labels).split(",") if labels else []
    assert read_labels(texts, "--label") == labels
    assert read_changes([f"{key}-" for key in labels], "--label") == ({}, [*labels])


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["site"], "'site': write KEY=VALUE, or KEY- to remove"),
        (["site=a b"], "'site=a b': the value has ' ' at character 2"),
        (["=dock"], "the key is empty"),
        (["-"], "the key is empty"),
        (["site=a=b"], "'=' at character 2"),
        (["site=a", "site=b"], "'site' is given twice"),
        (["site=a", "site-"], "'site' is given twice"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(texts: list[str], said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_changes(texts, "--label")
    assert refused.value.field == "--label"
    assert said in str(refused.value)


def test_a_camera_that_is_added_has_no_label_to_remove() -> None:
    with pytest.raises(InvalidInput, match="'floor-': write KEY=VALUE"):
        read_labels(["floor-"], "--label")


@pytest.mark.parametrize("name", ["", "Dock, gate 3", "Größe 北門 🚪", "a" * 128])
def test_a_display_name_is_a_line_of_any_language(name: str) -> None:
    assert display_name_fault(name) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a" * 129, "has 129 characters; 128"),
        ("Dock\ngate", r"control character, '\n', at character 5"),
        ("\x1b[31mDock", "at character 1"),
        ("Dock\u202eetag", r"'\u202e', at character 5"),
        ("Dock\u2028", "control character"),
        ("Dock\udcff", "control character"),
        (" Dock", "begins or ends with a space"),
    ],
)
def test_what_is_wrong_with_a_display_name(name: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_display_name(name)
    assert refused.value.field == "camera.display_name"
    assert said in str(refused.value)


@given(KEYS)
def test_no_key_ends_as_a_removal_does(key: str) -> None:
    assert not key.endswith("-")
