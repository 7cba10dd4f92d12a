from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError, field_validator

from services.common.connection import RedisAccess
from services.common.settings import ServiceSettings, default_instance, load


class Settings(ServiceSettings):
    """Settings of a test service."""

    fps: float = Field(0.5, gt=0, le=30, description="frames a second")
    media_root: Path | None = Field(None, description="folder of local files")
    names: list[str] = Field(default_factory=list, description="names")
    reflection: bool = Field(False, description="say what can be called")
    token: SecretStr = Field(SecretStr(""), description="what callers must show")
    upstream_tokens: str = Field("", description="what we show")
    size: str = Field("", description="how large")

    @field_validator("size")
    @classmethod
    def _no_size(cls, value: str) -> str:
        if value:
            raise ValueError(f"{value} is no size")
        return value


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.upper().startswith("HERMES_"):
            monkeypatch.delenv(name)


def read(*argv: str) -> Settings:
    return load(Settings, "hermes-x", argv)


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    with pytest.raises(SystemExit) as exit:
        read(*argv)
    assert exit.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    head, *problems = shown.err.splitlines()
    assert head == "hermes-x: these settings cannot be used (see hermes-x --help):"
    return [problem.strip() for problem in problems]


def test_every_setting_has_a_default() -> None:
    settings = read()
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert settings.fps == 0.5
    assert settings.instance != read().instance != default_instance()


def test_flags(tmp_path: Path) -> None:
    settings = read(
        *("--fps", "2", "--media-root", str(tmp_path), "--reflection", "--names", "a,b"),
        *("--redis-url=rediss://u:p@host:1/2", "--log-level", "debug"),
    )
    assert (settings.fps, settings.media_root, settings.reflection) == (2, tmp_path, True)
    assert settings.names == ["a", "b"]
    assert read("--no-reflection").reflection is False


def test_the_environment_and_the_flag_that_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERMES_FPS", "3")
    monkeypatch.setenv("HERMES_REFLECTION", "true")
    monkeypatch.setenv("HERMES_NAMES", '["a"]')
    monkeypatch.setenv("HERMES_LOG_LEVEL", "")  # as a manifest leaves what it does not set
    monkeypatch.setenv("HERMES_OF_ANOTHER_SERVICE", "x")
    monkeypatch.setenv("FPS", "7")
    settings = read("--no-reflection")
    assert (settings.fps, settings.reflection, settings.names) == (3, False, ["a"])
    assert settings.log_level == "info"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        setattr(read(), "fps", 3)  # noqa: B010 - mypy knows that it is frozen


def test_every_problem_gets_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERMES_REFLECTION", "maybe")
    monkeypatch.setenv("HERMES_FPS", "7")
    assert refused(capsys, "--fps", "99", "--redis-url", "http://host", "--metrics-port=x") == [
        "--redis-url: must start with redis://, rediss:// or unix://, for a cluster with"
        " redis+cluster://, for Sentinels with redis+sentinel://",
        "--metrics-port: Input should be a valid integer, unable to parse string as an integer",
        "--fps: Input should be less than or equal to 30",
        "HERMES_REFLECTION: Input should be a valid boolean, unable to interpret input",
    ]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--fsp", "1"], "unknown: --fsp 1"),
        (["--metrics", "1"], "unknown: --metrics 1"),  # not taken for --metrics-port
        (["stray"], "unknown: stray"),
        (["--fps"], "argument --fps: expected one argument"),
        (["--fps", "nan"], "--fps: Input should be a finite number"),
        (["--instance", "x" * 129], "--instance: String should have at most 128 characters"),
        (["--log-level", "loud"], "--log-level: Input should be 'debug', 'info', 'warning' or"),
    ],
)
def test_each_fault_is_reported(
    capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    (problem,) = refused(capsys, *argv)
    assert problem.startswith(said)


def test_bytes_that_are_not_text_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """An error that repeated such a value could not be printed."""
    assert refused(capsys, "--size", "caf\udce9") == [
        "a flag or a HERMES_ variable holds bytes that are not UTF-8"
    ]


def test_a_list_in_the_environment_is_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERMES_NAMES", "a,b")
    assert refused(capsys) == ["HERMES_NAMES: must be JSON"]


@pytest.mark.parametrize(
    "argv",
    [
        ["--redis-url", "http://u:hunter2@host"],
        ["--redis-url", "redis://u:hunter2@host:port/0"],
        ["--redis-url", "redis://u:hunter2/x@host/0"],
        ["--redis-urll", "redis://u:hunter2@host/0"],
        ["redis://u:hunter2@host/0"],
    ],
)
def test_no_error_shows_a_password(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    assert "hunter2" not in " ".join(refused(capsys, *argv))


def test_shown_settings_are_redacted() -> None:
    shown = read(
        *("--redis-url", "redis://u:hunter2@host/0", "--token", "hunter2"),
        *("--upstream-tokens", "hunter2", "--names", "http://u:hunter2@host/a"),
    ).shown()
    assert "hunter2" not in str(shown)
    assert shown["redis_url"] == "redis://***@host/0"
    assert shown["fps"] == 0.5
    assert read().shown()["upstream_tokens"] == ""


def test_help_names_flags_defaults_and_variables(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        read("--help")
    assert exit.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for part in (
        "usage: hermes-x",
        "Settings of a test service.",
        "--fps float frames a second (default: 0.5) [env: HERMES_FPS]",
        "--reflection, --no-reflection",
        "--log-level {debug,info,warning,error}",
    ):
        assert part in shown


REDIS_HALVES = {
    "--redis-username=u": "--redis-username needs --redis-password-file",
    "--redis-tls-cert-file=a --redis-url=rediss://h": "and --redis-tls-key-file go together",
    "--redis-tls-key-file=a --redis-url=rediss://h": "and --redis-tls-key-file go together",
    "--redis-tls-ca-file=a": "a --redis-url that begins rediss://",
}


@pytest.mark.parametrize("flags", REDIS_HALVES)
def test_incomplete_redis_settings_are_refused_by_name(
    flags: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (problem,) = refused(capsys, *flags.split())
    assert REDIS_HALVES[flags] in problem


@pytest.mark.parametrize(
    ("url", "username", "expected", "user"),
    [
        ("redis://h:1/2", "", "redis://h:1/2", ""),
        ("redis://:old@h:1/2", "me", "redis://h:1/2", "me"),
        ("rediss://a%40b:old@h/0?timeout=5", "", "rediss://h/0?timeout=5", "a@b"),
        ("unix://a:b@/run/redis.sock", "", "unix:///run/redis.sock", "a"),
        ("unix:///run/redis.sock", "me", "unix:///run/redis.sock", "me"),
    ],
)
def test_the_password_file_overrides_the_url(
    tmp_path: Path, url: str, username: str, expected: str, user: str
) -> None:
    file = tmp_path / "password"
    file.write_text("new\n")
    found, options = RedisAccess(username, file).apply(url)
    assert found == expected
    assert options["credential_provider"].get_credentials() == ((user, "new") if user else ("new",))
