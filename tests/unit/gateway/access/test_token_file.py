"""Static tokens: found by their hash, refused when expired, read again when the file changes."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hermes.errors import InvalidInput, Unauthenticated
from services.query_gateway.access.scopes import Action
from services.query_gateway.access.token_file import TokenFile, hash_of, new_token, parse
from tests.support.examples import at_most
from tests.support.tokens import write_tokens

HASH = hash_of("x")


def test_a_token_is_known_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    tokens = write_tokens(path, desk="ask:lobby read:*", wall="read:dock-*")
    file = TokenFile(path)
    desk = file.caller(tokens["desk"])
    assert desk is not None
    assert desk.who == "token:desk"
    assert desk.may(Action.ASK, "lobby")
    assert not desk.may(Action.ASK, "dock-1")
    assert file.caller(tokens["wall"]) != desk
    for other in ("", tokens["desk"][:-1], tokens["desk"] + "x", hash_of(tokens["desk"])):
        assert file.caller(other) is None
    assert not any(token in path.read_text() for token in tokens.values())


def test_tokens_are_long_and_never_the_same() -> None:
    made = {new_token("x", ["ask:*"])[0] for _ in range(100)}
    assert len(made) == 100
    assert min(map(len, made)) > 43  # 256 bits, and a prefix


def test_an_expired_token_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    end = datetime(2026, 11, 26, tzinfo=UTC)
    token, line = new_token("desk", ["ask:*"], end)
    path.write_text(line)
    now = end.timestamp() - 1
    file = TokenFile(path, clock=lambda: now)
    assert file.caller(token) is not None
    now += 1
    with pytest.raises(Unauthenticated, match="expired"):
        file.caller(token)


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("- {", "is not YAML at line"),
        ("\x00", "is not YAML"),
        ("tokens: 1", "should be a valid tuple"),
        (f"- {{name: a, sha256: {HASH}}}", "0.scopes: Field required"),
        (f"- {{name: a, sha256: {HASH}, scopes: [ask]}}", "0.scopes.0: 'ask' is no scope"),
        (f"- {{name: a b, sha256: {HASH}, scopes: []}}", "0.name"),
        ("- {name: a, sha256: hunter2, scopes: []}", "0.sha256"),
        (f"- {{name: a, sha256: {HASH}, scopes: [], expires: 2027-01-01T00:00:00}}", "timezone"),
        (f"- {{name: a, sha256: {HASH}, scopes: [], token: hunter2}}", "0.token: Extra"),
        (f"- &a {{name: a, sha256: {HASH}, scopes: []}}\n- *a", "is in it twice"),
    ],
)
def test_a_fault_in_the_file_is_named_but_not_shown(text: str, reported: str) -> None:
    with pytest.raises(InvalidInput, match=reported) as caught:
        parse(text.encode(), "tokens.yaml")
    assert str(caught.value).startswith("tokens.yaml: ")
    assert "hunter2" not in str(caught.value)
    assert HASH not in str(caught.value)


def test_a_file_too_large_is_refused() -> None:
    with pytest.raises(InvalidInput, match="larger than"):
        parse(b"#" * (1 << 21), "tokens.yaml")
    entries = [{"name": "a", "sha256": hash_of(str(n)), "scopes": ["ask:*"]} for n in range(1001)]
    with pytest.raises(InvalidInput, match="at most 1000"):
        parse(json.dumps(entries).encode(), "tokens.yaml")


def test_an_empty_file_accepts_no_token(tmp_path: Path) -> None:
    (tmp_path / "tokens.yaml").write_text("# nobody yet\n")
    assert TokenFile(tmp_path / "tokens.yaml").caller("x") is None


def test_a_changed_file_is_taken_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    first = write_tokens(path, desk="ask:lobby")["desk"]
    file = TokenFile(path)
    second = write_tokens(path, desk="ask:lobby")["desk"]
    assert file.caller(second) is None
    file.reread()
    assert file.caller(first) is None
    assert file.caller(second) is not None

    for breaks in (lambda: path.write_text("- {name: desk}"), path.unlink):
        breaks()
        with capture_logs() as lines:
            file.reread()
            file.reread()
        assert [line["event"] for line in lines] == ["tokens_file_unusable"]  # logged once
        assert lines[0]["kept"] == 1
        assert str(path) in lines[0]["error"]
        assert file.caller(second) is not None

    third = write_tokens(path, desk="ask:lobby")["desk"]
    file.reread()
    assert file.caller(second) is None
    assert file.caller(third) is not None


def test_a_secret_that_changes_as_kubernetes_changes_it_is_taken(tmp_path: Path) -> None:
    """The files are links into a folder that is replaced in one step."""

    def change(version: str) -> str:
        (tmp_path / version).mkdir()
        made = write_tokens(tmp_path / version / "tokens.yaml", desk="ask:lobby")["desk"]
        (tmp_path / "new").symlink_to(version)
        (tmp_path / "new").rename(tmp_path / "..data")
        return made

    first = change("..2026_11_26")
    (tmp_path / "tokens.yaml").symlink_to("..data/tokens.yaml")
    file = TokenFile(tmp_path / "tokens.yaml")
    assert file.caller(first) is not None
    second = change("..2026_11_27")
    file.reread()
    assert file.caller(first) is None
    assert file.caller(second) is not None


@settings(max_examples=at_most(100), deadline=None)
@given(
    st.binary(max_size=60)
    | st.text(st.sampled_from("-[]{}:,&*!?|>'\"%@`#~ \n\tab019.TZ=<"), max_size=60).map(str.encode)
)
def test_nonsense_is_refused_and_nothing_else_happens(raw: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        assert parse(raw, "tokens.yaml") == ()
