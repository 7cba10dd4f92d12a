"""The settings of the HTTP door."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from hermes.client.requests import ASK_TIMEOUT_S, CALL_TIMEOUT_S
from hermes.client.tls import Tls
from services.common.tls import TlsServerSettings

KIB = 1024
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def _check_listen(listen: str) -> str:
    host, colon, port = listen.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) <= 65535):
        raise ValueError("must be HOST:PORT, e.g. 0.0.0.0:8000 or [::]:8000")
    return listen


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())


class WebSettings(TlsServerSettings):
    """Serves the gateway's calls over HTTP: a console, OpenAI's chat completions, REST and MCP."""

    listen: Annotated[str, AfterValidator(_check_listen)] = Field(
        "0.0.0.0:8000", description="HTTP address, HOST:PORT; port 0 picks one"
    )
    gateway: str = Field("127.0.0.1:50051", description="address of the gateway, HOST:PORT")
    gateway_ca_file: Path | None = Field(
        None, description="PEM file of the gateway's authorities; unset: plain text to the gateway"
    )
    gateway_cert_file: Path | None = Field(
        None, description="PEM file of the certificate to show to the gateway"
    )
    gateway_key_file: Path | None = Field(None, description="PEM file of its key")
    gateway_name: str = Field(
        "", description="name in the gateway's certificate, if it is not the host of its address"
    )
    call_timeout_s: float = Field(
        CALL_TIMEOUT_S, gt=0, description="time for a call that is no question, in seconds"
    )
    ask_timeout_s: float = Field(
        ASK_TIMEOUT_S,
        gt=0,
        description="time for an answer, in seconds, unless the request's Hermes-Timeout says it",
    )
    max_timeout_s: float = Field(
        600.0, gt=0, description="longest time that Hermes-Timeout may ask for, in seconds"
    )
    max_body_bytes: int = Field(
        1024 * KIB, ge=KIB, description="largest body of a request; larger ones get status 413"
    )
    body_timeout_s: float = Field(
        20.0, gt=0, description="time for a request's body to arrive, in seconds"
    )
    max_connections: int = Field(
        4096, ge=1, description="connections at a time; more get status 503"
    )
    ping_s: float = Field(
        15.0,
        gt=0,
        description="a stream in which nothing happens gets a comment this often, in seconds, so"
        " that proxies keep it open",
    )
    drain_grace_s: float = Field(
        5.0, ge=0, description="time for open requests to end after SIGTERM, in seconds"
    )
    allowed_hosts: str = Field(
        "",
        description="host names, separated by commas, that requests may address; others get status"
        " 421. Unset: any, or on a loopback address those of this machine alone",
    )
    cors_origins: str = Field(
        "",
        description="origins, separated by commas, whose pages may use this service, e.g."
        " https://wall.example.com; unset: none",
    )
    console: bool = Field(True, description="serve the console, the web pages for people, at /")
    grafana_url: str = Field(
        "", description="address of the Grafana that the console links to; unset: no link"
    )
    mcp: bool = Field(True, description="serve the Model Context Protocol under /mcp")

    @model_validator(mode="after")
    def _whole_for_the_gateway(self) -> Self:
        if (self.gateway_cert_file is None) != (self.gateway_key_file is None):
            raise ValueError("--gateway-cert-file and --gateway-key-file go together")
        return self

    @field_validator("grafana_url")
    @classmethod
    def _a_web_address(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url

    @property
    def gateway_tls(self) -> Tls | None:
        """TLS to the gateway; None: plain text."""
        files = (self.gateway_ca_file, self.gateway_cert_file, self.gateway_key_file)
        return Tls(*files, self.gateway_name) if any(files) or self.gateway_name else None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that a request's Host may have, without a port; none: any."""
        given = _split(self.allowed_hosts)
        on_loopback = self.listen.rpartition(":")[0] in LOOPBACK
        return given or (LOOPBACK if on_loopback else ())

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins whose pages may use this service."""
        return _split(self.cors_origins)
