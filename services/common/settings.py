"""Settings: frozen, read once in each main from flags and environment, printed redacted.

A flag `--redis-url` and the variable `HERMES_REDIS_URL` name the same setting;
the flag wins.
"""

from __future__ import annotations

import os
import socket
import sys
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.redaction import redact

LogLevel = Literal["debug", "info", "warning", "error"]


def _check_redis_url(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must start with redis://, rediss:// or unix://")
    return url


RedisUrl = Annotated[str, AfterValidator(_check_redis_url)]


def default_instance() -> str:
    """A name for this process that no other has had: the host and a random part."""
    return f"{socket.gethostname()}-{uuid.uuid4().hex[:6]}"


class ServiceSettings(BaseSettings):
    """What every service can be told."""

    model_config = SettingsConfigDict(
        env_prefix="HERMES_",
        frozen=True,
        extra="ignore",
        cli_kebab_case=True,
        cli_avoid_json=True,
        cli_hide_none_type=True,
        cli_implicit_flags=True,
    )

    redis_url: RedisUrl = Field(
        "redis://127.0.0.1:6379/0", description="where frames, leases and the camera registry live"
    )
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
            name: redact(value) if isinstance(value, str) else value
            for name, value in self.model_dump(mode="json").items()
        }


S = TypeVar("S", bound=ServiceSettings)


def load(kind: type[S], prog: str, argv: Sequence[str] | None = None) -> S:
    """Read settings from `argv` and the environment, or exit with what is wrong with them."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        return kind(_cli_parse_args=args, _cli_prog_name=prog)  # type: ignore[call-arg]
    except ValidationError as error:
        print(f"{prog}: these settings cannot be used:", file=sys.stderr)
        for item in error.errors(include_url=False):
            name = "_".join(str(part) for part in item["loc"])
            flag, variable = "--" + name.replace("_", "-"), "HERMES_" + name.upper()
            given = os.environ.get(variable)
            origin = f"{flag} or {variable}" if given is None else variable
            print(f"  {origin}: {redact(item['msg'])}", file=sys.stderr)
        raise SystemExit(2) from None
