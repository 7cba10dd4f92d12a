"""The settings of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from hermes import limits, question
from hermes.client.tls import Tls
from services.common.cameras import ALL_PROTOCOLS, NETWORK_PROTOCOLS, SourcePolicy
from services.common.settings import ServiceSettings
from services.common.tls import TlsServerSettings
from services.query_gateway.access.token_limits import TokenLimits

KIB = 1024


def _check_listen(listen: str) -> str:
    host, colon, port = listen.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) <= 65535):
        raise ValueError("must be HOST:PORT, e.g. 0.0.0.0:50051 or [::]:50051")
    return listen


def _check_protocols(protocols: str) -> str:
    unknown = _split(protocols) - ALL_PROTOCOLS
    if unknown:
        raise ValueError(
            f"{', '.join(sorted(unknown))}: not among {', '.join(sorted(ALL_PROTOCOLS))}"
        )
    return protocols


def _split(protocols: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in protocols.split(",") if part.strip())


class GatewaySettings(TlsServerSettings, ServiceSettings):
    """Takes each question to the worker that remembers the camera, and streams the answer back."""

    listen: Annotated[str, AfterValidator(_check_listen)] = Field(
        "0.0.0.0:50051", description="gRPC address, HOST:PORT; port 0 picks one"
    )
    reflection: bool = Field(False, description="let clients ask the server for its API")
    max_message_bytes: int = Field(
        2048 * KIB,
        ge=64 * KIB,
        description="largest request that is read. Far larger than the limits on fields allow, so"
        " that the error for a long question names the field",
    )
    max_open_questions: int = Field(
        limits.MAX_QUESTIONS.default,
        ge=limits.MAX_QUESTIONS.at_least,
        description="questions answered at a time; more are RESOURCE_EXHAUSTED",
    )
    max_cameras_asked: int = Field(
        256, ge=1, le=10_000, description="most cameras that one question may ask"
    )
    many_at_once: int = Field(
        32,
        ge=1,
        description="questions to many cameras that are with workers at a time, over all of them;"
        " the other cameras wait, callers in turn. Each counts as an open question. A caller that"
        " holds less than its share may go beyond it by up to half",
    )
    many_at_once_of_one_worker: int = Field(16, ge=1, description="the same, with one worker")
    max_question_chars: int = Field(4096, ge=1, description="longest question, in characters")
    max_answer_tokens: int = Field(
        limits.MAX_ANSWER_TOKENS.default,
        ge=limits.MAX_ANSWER_TOKENS.at_least,
        description="most tokens a question may ask for; a worker may allow fewer",
    )
    max_turn_chars: int = Field(
        32_768, ge=1, description="most characters of a question's earlier turns together"
    )
    max_form_chars: int = Field(
        question.MAX_GRAMMAR_CHARACTERS,
        ge=1,
        le=question.MAX_GRAMMAR_CHARACTERS,
        description="longest JSON Schema or regular expression of a question, in characters",
    )
    max_evidence_frames: int = Field(
        question.MAX_EVIDENCE_FRAMES,
        ge=0,
        le=question.MAX_EVIDENCE_FRAMES,
        description="most frames that a question may want named as its answer's evidence",
    )
    default_deadline_s: float = Field(
        60.0, gt=0, description="time for an answer if the client sets no deadline, in seconds"
    )
    hand_over_wait_s: float = Field(
        5.0,
        ge=0,
        description="how long the gateway waits for a camera that is between owners before it"
        " refuses a question, in seconds, within the deadline; 0 refuses at once",
    )
    events_keep_s: float = Field(
        limits.EVENTS_KEEP_S.default,
        gt=limits.EVENTS_KEEP_S.above,
        description=limits.EVENTS_KEEP_S.description,
    )
    events_max: int = Field(
        limits.EVENTS_MAX.default,
        ge=limits.EVENTS_MAX.at_least,
        description=limits.EVENTS_MAX.description,
    )
    worker_idle_s: float = Field(
        300.0, gt=0, description="close connections to workers unused for this long, in seconds"
    )
    worker_tls_ca_file: Path | None = Field(
        None, description="PEM file of the authorities of workers; unset: plain text to workers"
    )
    worker_tls_cert_file: Path | None = Field(
        None, description="PEM file of the certificate that this gateway shows to workers"
    )
    worker_tls_key_file: Path | None = Field(None, description="PEM file of its key")
    worker_tls_name: str = Field(
        "",
        description="name that the certificate of every worker must have; unset: the host that the"
        " worker advertises",
    )
    drain_grace_s: float = Field(
        20.0, ge=0, description="time for open calls to end after SIGTERM, in seconds"
    )
    tokens_file: Path | None = Field(
        None, description="YAML file of hashed tokens (`hermes token`); switches authentication on"
    )
    jwt_jwks: str | None = Field(
        None,
        description="keys of JWTs, as a file or an https:// URL; switches authentication on",
    )
    jwt_issuer: str = Field("", description="`iss` that a JWT must have")
    jwt_audience: str = Field("", description="`aud` that a JWT must have: this gateway's own")
    jwt_scope_claim: str = Field("scope", min_length=1, description="claim that holds the scopes")
    jwt_limits_claim: str = Field(
        "hermes_limits", min_length=1, description="claim that holds limits of its caller"
    )
    jwt_refetch_s: float = Field(
        30.0, ge=1, description="fetch the keys for an unknown one at most this often, in seconds"
    )
    caller_calls_per_second: float = Field(
        10.0, gt=0, description="calls a second that one caller may make, with authentication"
    )
    caller_burst: int = Field(50, ge=1, description="calls that it may make at once after a pause")
    caller_open_calls: int = Field(
        16, ge=1, description="calls of one caller that are open at a time, with authentication"
    )
    max_cameras_per_token: int = Field(
        10_000,
        ge=0,
        description="cameras that one caller may have added, over all gateways, unless its token"
        " says otherwise; 0: no limit",
    )
    max_watches_per_token: int = Field(
        5_000, ge=0, description="watches that one caller may have created, likewise"
    )
    max_followers_per_token: int = Field(
        12,
        ge=0,
        description="calls of one caller that follow events or are sent frames, at this gateway,"
        " likewise; they count among its open calls, too",
    )
    max_span_s_per_token: int = Field(
        0,
        ge=0,
        description="seconds of the past that one question with a span may ask about, times its"
        " cameras, likewise",
    )
    audit_questions: bool = Field(False, description="write the text of questions to the audit log")
    media_root: Path | None = Field(
        None, description="folder below which cameras may be files; unset refuses files"
    )
    local_devices: bool = Field(
        False, description="cameras may be devices of the decoders' machines: v4l2:/dev/video0"
    )
    credentials_key_file: Path | None = Field(
        None,
        description="file with keys, one a line: the first seals the credentials of cameras that"
        " are added; give decoders the same file",
    )
    protocols: Annotated[str, AfterValidator(_check_protocols)] = Field(
        ",".join(sorted(NETWORK_PROTOCOLS)),
        description="network protocols that cameras may use, separated by commas; rtmp and rtmps"
        " can be added",
    )

    @model_validator(mode="after")
    def _check_access(self) -> Self:
        if self.jwt_jwks is None and (self.jwt_issuer or self.jwt_audience):
            raise ValueError("--jwt-issuer and --jwt-audience need --jwt-jwks, the keys")
        if self.jwt_jwks is not None:
            if not (self.jwt_issuer and self.jwt_audience):
                raise ValueError("--jwt-jwks needs --jwt-issuer and --jwt-audience")
            if not (self.jwt_jwks.startswith("https://") or Path(self.jwt_jwks).is_file()):
                raise ValueError("--jwt-jwks must be an https:// URL or an existing file")
        if self.authenticated and self.reflection:
            raise ValueError("--reflection answers every caller: leave it off with authentication")
        return self

    @property
    def authenticated(self) -> bool:
        """Whether callers need a token."""
        return self.tokens_file is not None or self.jwt_jwks is not None

    @property
    def token_limits(self) -> TokenLimits:
        """The limits of callers whose tokens name none of their own."""
        return TokenLimits(
            cameras=self.max_cameras_per_token,
            watches=self.max_watches_per_token,
            followers=self.max_followers_per_token,
            span_s=self.max_span_s_per_token,
        )

    @model_validator(mode="after")
    def _whole_for_workers(self) -> Self:
        given = {what: getattr(self, f"worker_tls_{what}_file") for what in ("ca", "cert", "key")}
        missing = [f"--worker-tls-{what}-file" for what, path in given.items() if path is None]
        if len(missing) in (1, 2) or (missing and self.worker_tls_name):
            raise ValueError(
                f"{', '.join(missing)}: missing; TLS to workers needs their authority, and a"
                " certificate and its key to show them"
            )
        return self

    @property
    def worker_tls(self) -> Tls | None:
        """TLS to workers; None: plain text."""
        ca, cert, key = self.worker_tls_ca_file, self.worker_tls_cert_file, self.worker_tls_key_file
        return None if ca is None else Tls(ca, cert, key, self.worker_tls_name)

    def source_policy(self) -> SourcePolicy:
        """Which cameras may be added."""
        return SourcePolicy(self.media_root, _split(self.protocols), self.local_devices)
