"""Settings: frozen, read once in each main from flags and environment, printed redacted.

A flag `--redis-url` and the variable `HERMES_REDIS_URL` name the same setting;
the flag wins.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from services.common.connection import RedisAccess
from services.common.parent import obey_environment
from services.common.redaction import MASK, redact
from services.common.redis_address import RedisAddress

LogLevel = Literal["debug", "info", "warning", "error"]


def _check_redis_url(url: str) -> str:
    RedisAddress.parse(url)
    return url


RedisUrl = Annotated[str, AfterValidator(_check_redis_url)]


def default_instance() -> str:
    """A unique name for this process: the host and a random part."""
    return f"{socket.gethostname()}-{uuid.uuid4().hex[:6]}"


_CONFIG = SettingsConfigDict(
    env_prefix="HERMES_",
    env_ignore_empty=True,
    frozen=True,
    extra="ignore",
    allow_inf_nan=False,
    cli_kebab_case=True,
    cli_avoid_json=True,
    cli_hide_none_type=True,
    cli_implicit_flags=True,
    cli_show_env_vars=True,
    cli_exit_on_error=False,  # `load` prints errors in one line, without credentials
)


class RedisSettings(BaseSettings):
    """How Redis is reached."""

    model_config = _CONFIG

    redis_url: RedisUrl = Field(
        "redis://127.0.0.1:6379/0",
        description="where frames, leases and the camera registry live: redis://, rediss://, "
        "unix://, redis+cluster://host,host or redis+sentinel://host,host/name",
    )
    redis_username: str = Field("", description="user name for Redis; unset: the URL's")
    redis_password_file: Path | None = Field(
        None, description="file that holds the password for Redis; unset: the URL's"
    )
    redis_sentinel_password_file: Path | None = Field(
        None, description="file that holds the Sentinels' password, if they have one"
    )
    redis_tls_ca_file: Path | None = Field(
        None, description="PEM file of an authority to trust beside the system's, for rediss://"
    )
    redis_tls_cert_file: Path | None = Field(
        None, description="PEM file of the certificate to show to Redis, for rediss://"
    )
    redis_tls_key_file: Path | None = Field(None, description="PEM file of its key")

    @model_validator(mode="after")
    def _redis_settings_fit(self) -> Self:
        if (self.redis_tls_cert_file is None) != (self.redis_tls_key_file is None):
            raise ValueError("--redis-tls-cert-file and --redis-tls-key-file go together")
        files = (self.redis_tls_ca_file, self.redis_tls_cert_file)
        address = RedisAddress.parse(self.redis_url)
        if any(files) and not address.tls:
            raise ValueError("--redis-tls-... files are for a --redis-url that begins rediss://")
        if self.redis_sentinel_password_file is not None and address.shape != "sentinel":
            raise ValueError(
                "--redis-sentinel-password-file is for a --redis-url that begins redis+sentinel://"
            )
        if self.redis_username and self.redis_password_file is None:
            raise ValueError(
                "--redis-username needs --redis-password-file; else both go in the URL"
            )
        return self

    @property
    def redis_access(self) -> RedisAccess:
        """What a connection to Redis needs beside the URL."""
        return RedisAccess(
            self.redis_username,
            self.redis_password_file,
            self.redis_tls_ca_file,
            self.redis_tls_cert_file,
            self.redis_tls_key_file,
            self.redis_sentinel_password_file,
        )


class ProcessSettings(BaseSettings):
    """Settings that every service has."""

    model_config = _CONFIG

    instance: str = Field(
        default_factory=default_instance,
        min_length=1,
        max_length=128,
        description="name of this process among its peers; unique",
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="HTTP port of /metrics, /healthz and /readyz; 0 picks one"
    )
    metrics_host: str = Field("0.0.0.0", description="address that the HTTP port binds")  # noqa: S104
    log_level: LogLevel = Field("info", description="debug, info, warning or error")
    announce: str = Field(
        "", description="file to write the bound ports to, as JSON, once ready (for launchers)"
    )

    def shown(self) -> dict[str, Any]:
        """All settings, fit for a log."""
        return {
            name: MASK if _is_secret(name, value) else _redacted(value)
            for name, value in self.model_dump(mode="json").items()
        }


class ServiceSettings(ProcessSettings, RedisSettings):
    """Settings of services that speak to Redis."""


_SECRET_NAME = re.compile(r"(?:.*_)?(?:password|secret|token|tokens|api_keys?)")


def _is_secret(name: str, value: Any) -> bool:
    # A number of tokens is not a secret, although it has the name of one.
    return bool(value) and not isinstance(value, int) and bool(_SECRET_NAME.fullmatch(name))


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    if isinstance(value, dict):
        return {redact(str(key)): _redacted(item) for key, item in value.items()}
    return value


S = TypeVar("S", bound=ProcessSettings)


def load(kind: type[S], prog: str, argv: Sequence[str] | None = None) -> S:
    """Read settings from `argv` and the environment, or exit with a list of their faults."""
    obey_environment()
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        return kind(_cli_parse_args=args, _cli_prog_name=prog)
    except ValidationError as error:
        problems = [
            f"{_origin(item['loc'], args)}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_url=False, include_input=False)
        ]
    except SettingsError as error:
        problems = [_readable(str(error))]
    except UnicodeEncodeError:
        problems = ["a flag or a HERMES_ variable holds bytes that are not UTF-8"]
    print(f"{prog}: these settings cannot be used (see {prog} --help):", file=sys.stderr)
    for problem in problems:
        print(f"  {redact(' '.join(problem.split()))}", file=sys.stderr)
    raise SystemExit(2)


def _origin(loc: tuple[int | str, ...], args: Sequence[str]) -> str:
    """The flag or variable that a bad value came from, or both if it was not given."""
    if not loc:
        return "settings"
    name = str(loc[0])
    flag, variable = "--" + name.replace("_", "-"), "HERMES_" + name.upper()
    if any(arg == flag or arg.startswith(flag + "=") for arg in args):
        return flag
    given = any(key.upper() == variable and value for key, value in os.environ.items())
    return variable if given else f"{flag} or {variable}"


def _readable(message: str) -> str:
    """A message of pydantic-settings from before validation, in our words."""
    if match := re.fullmatch(r'error parsing value for field "(\w+)" from source .*', message):
        return f"HERMES_{match[1].upper()}: must be JSON"
    message = message.removeprefix("error parsing CLI: ")
    if match := re.fullmatch(r"unrecognized arguments: (.*)", message):
        return f"unknown: {match[1]}"
    return message
