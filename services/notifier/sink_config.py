"""What a file of sinks says about each, checked. Secrets are in files of their own."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.common.files import UnusableFile, read_file, read_line
from services.notifier.egress import tls_context
from services.notifier.http_post import Target

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
TOPIC = r"^[^+#\x00/]+(/[^+#\x00/]+)*$"
SECRET_PREFIX = "whsec_"  # noqa: S105 - of Standard Webhooks
LEAST_SECRET_BYTES = 16
MIB = 1 << 20


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


class SinkConfig(_Model):
    """What all sinks have."""

    name: str = Field(pattern=NAME)
    allow_private: bool = False
    """Whether it may be at an address of a private network, or of this machine."""
    timeout_s: float = Field(10.0, gt=0, le=120)
    give_up_after_s: float = Field(3600.0, ge=0, le=7 * 86400)
    """A message that was tried for this long becomes a dead letter."""

    def relative_to(self, folder: Path) -> Self:
        """A copy whose relative paths are those of `folder`."""
        changes = {
            name: folder / value.expanduser()
            for name, value in self
            if isinstance(value, Path) and not value.is_absolute()
        }
        return self.model_copy(update=changes)

    def check_files(self) -> None:
        """Raise `UnusableFile` if a file that it names cannot be used now."""


class HttpSinkConfig(SinkConfig):
    """What sinks have that speak HTTP."""

    url: str
    ca_file: Path | None = None
    token_file: Path | None = None
    """Sent as a bearer token."""
    username: str = ""
    password_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _usable(cls, url: str) -> str:
        Target.parse(url)
        return url

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if bool(self.username) != (self.password_file is not None):
            raise ValueError("username and password_file go together")
        if self.username and self.token_file is not None:
            raise ValueError("token_file or username: one of them")
        return self

    def authorization(self) -> dict[str, str]:
        """The header that shows who we are. Raises `UnusableFile`."""
        if self.token_file is not None:
            return {"Authorization": f"Bearer {_printable(self.token_file)}"}
        if self.password_file is not None:
            login = f"{self.username}:{read_line(self.password_file)}".encode()
            return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
        return {}

    def check_files(self) -> None:
        """Raise `UnusableFile` if a file that it names cannot be used now."""
        self.authorization()
        tls_context(self.ca_file)


class AlertmanagerConfig(HttpSinkConfig):
    """An Alertmanager, by its API v2."""

    kind: Literal["alertmanager"]
    resend_every_s: float = Field(60.0, ge=1, le=3600)
    """Below Alertmanager's resolve_timeout, which is five minutes by default."""
    least_s: float = Field(60.0, ge=0, le=3600)
    """An alert lasts at least this long: Alertmanager says nothing about one that ends within its
    group_wait."""
    link: str = ""
    """Where people read more: a URL that may hold {event}, {watch} and {camera}."""


class WebhookConfig(HttpSinkConfig):
    """A receiver of CloudEvents, signed as Standard Webhooks are."""

    kind: Literal["webhook"]
    secret_file: Path
    """One secret a line; each signs, so that a receiver can go from one to the next."""
    source: str = Field("/hermes", pattern=r"^[\x21-\x7e]+$")
    pictures: bool = True
    most_picture_bytes: int = Field(MIB, ge=0, le=16 * MIB)
    """Of all pictures of a message; the later ones are left out."""
    at_once: int = Field(8, ge=1, le=64)

    def secrets(self) -> list[bytes]:
        """The keys that sign. Raises `UnusableFile`."""
        lines = read_file(self.secret_file).decode(errors="replace").split()
        if not lines:
            raise UnusableFile(f"{self.secret_file} holds no secret")
        return [_secret(line, self.secret_file) for line in lines]

    def check_files(self) -> None:
        """Raise `UnusableFile` if a file that it names cannot be used now."""
        super().check_files()
        self.secrets()


class MqttConfig(SinkConfig):
    """An MQTT broker."""

    kind: Literal["mqtt"]
    host: str = Field(min_length=1, max_length=253)
    port: int = Field(0, ge=0, le=65535)
    """Zero: 1883, or 8883 with TLS."""
    tls: bool = False
    ca_file: Path | None = None
    username: str = ""
    password_file: Path | None = None
    client_id: str = ""
    """Unique at the broker. Empty: hermes-notifier- and the sink's name."""
    prefix: str = Field("hermes", pattern=TOPIC)
    pictures: bool = True
    """Whether the picture with which an event began is published."""
    discovery: bool = False
    """Whether discovery messages for Home Assistant are published."""
    discovery_prefix: str = Field("homeassistant", pattern=TOPIC)
    keepalive_s: int = Field(30, ge=5, le=600)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.password_file is not None and not self.username:
            raise ValueError("password_file needs username")
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file needs tls: true")
        return self

    @property
    def used_port(self) -> int:
        """The port, with the default in its place."""
        return self.port or (8883 if self.tls else 1883)

    def password(self) -> str | None:
        """The password, if there is one. Raises `UnusableFile`."""
        return None if self.password_file is None else read_line(self.password_file)

    def check_files(self) -> None:
        """Raise `UnusableFile` if a file that it names cannot be used now."""
        self.password()
        tls_context(self.ca_file)


AnySink = Annotated[AlertmanagerConfig | WebhookConfig | MqttConfig, Field(discriminator="kind")]


class SinksConfig(_Model):
    """A file of sinks."""

    sinks: tuple[AnySink, ...]


def _printable(path: Path) -> str:
    line = read_line(path)
    if not (line.isascii() and line.isprintable()):
        raise UnusableFile(f"{path} holds what no header can")
    return line


def _secret(line: str, path: Path) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(SECRET_PREFIX) + "==", validate=False)
        plain = base64.b64encode(key).decode().rstrip("=")
        if plain != line.removeprefix(SECRET_PREFIX).rstrip("="):
            raise ValueError
    except ValueError:
        raise UnusableFile(f"{path} must hold secrets in base64, e.g. whsec_...") from None
    if len(key) < LEAST_SECRET_BYTES:
        raise UnusableFile(f"{path} holds a secret of under {LEAST_SECRET_BYTES} bytes")
    return key
