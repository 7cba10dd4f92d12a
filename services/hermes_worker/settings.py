"""The settings of a worker."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from functools import partial
from ipaddress import IPv6Address
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from hermes import limits
from hermes.demo.limits import LIMITS
from hermes.engine import EngineConfig, SimilarityGate
from hermes.limits import Limit
from hermes.memory import POLICIES
from hermes.vlm.live_picture import MOST_PRESENT_FRAMES
from services.common.settings import ServiceSettings
from services.common.tls import TlsServerSettings

DEMO = "demo"
"""The name of the model that comes with the package."""

_SIZE = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})")


def _limit(limit: Limit[Any]) -> Any:
    return Field(limit.default, gt=limit.above, ge=limit.at_least, description=limit.description)


class WorkerSettings(TlsServerSettings, ServiceSettings):
    """Settings of `hermes-worker`."""

    model: str = Field(
        DEMO,
        min_length=1,
        description="checkpoint folder, owner/name on the Hugging Face hub, or `demo`: the small"
        " model that comes with the package and knows little worlds alone",
    )
    model_revision: str = Field(
        "", description="branch, tag or commit of the model on the hub; empty: its main branch"
    )
    device: str = Field("auto", description="cpu, cuda, cuda:1 ...; auto: a GPU if there is one")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="of weights and KV cache; auto: bfloat16 on a GPU, float32 elsewhere"
    )
    kv_cache_dtype: Literal["auto", "fp8", "fp8_e4m3"] = Field(
        "auto",
        description="of the keys and values that memories store; auto: as `dtype`; fp8 (or"
        " fp8_e4m3): 8 bits, which take half of the bytes",
    )
    model_frame_size: str = Field(
        "",
        description="one size for all frames that the model sees, as WIDTHxHEIGHT, for families"
        " where it can be chosen (Qwen-VL); empty: frames follow the shape of their pictures",
    )
    frame_tokens: int = Field(
        0,
        ge=0,
        description="most tokens of a frame, for families whose frames follow the shape of their"
        " pictures (Qwen-VL); 0: about 144",
    )
    model_frames_per_second: float = Field(
        0.0,
        ge=0,
        le=30,
        description="frames a second that a video without times is taken for (Qwen2.5-VL); cameras'"
        " frames have times, which count; 0: as the checkpoint says",
    )
    threads: int = Field(
        0, ge=0, description="CPU threads of one model step; 0: as many as there are CPUs"
    )
    listen: str = Field("0.0.0.0:50061", description="gRPC address; port 0 picks one")
    advertise: str = Field(
        "", description="host or host:port under which gateways reach this worker; empty: own name"
    )
    budget_tokens: int = _limit(limits.BUDGET_TOKENS)
    compress_every_frames: int = _limit(limits.COMPRESS_EVERY_FRAMES)
    policy: str = Field(
        "hermes", description=f"what stays in a full memory: {', '.join(sorted(POLICIES))}"
    )
    ingest: Literal["auto", "changes", "full"] = Field(
        "auto",
        description="what of a frame goes into memory: changes, what looks unlike its place did"
        " before; full, all of it; auto: changes where the policy is hermes",
    )
    change_threshold: float = Field(
        limits.CHANGE_THRESHOLD.default,
        ge=0,
        le=0.8,
        description=limits.CHANGE_THRESHOLD.description,
    )
    change_refresh_s: float = Field(
        limits.CHANGE_REFRESH_S.default,
        ge=0,
        le=86_400,
        description=limits.CHANGE_REFRESH_S.description,
    )
    present_frames: int = Field(
        limits.PRESENT_FRAMES.default,
        ge=0,
        le=MOST_PRESENT_FRAMES,
        description=limits.PRESENT_FRAMES.description,
    )
    max_cameras: int = _limit(limits.MAX_CAMERAS)
    max_questions: int = _limit(limits.MAX_QUESTIONS)
    max_camera_questions: int = _limit(limits.MAX_CAMERA_QUESTIONS)
    max_wait_s: float = _limit(limits.MAX_WAIT_S)
    slice_ms: float = Field(
        limits.SLICE_S.default * 1000, ge=0, description=limits.SLICE_S.description
    )
    max_question_tokens: int = _limit(limits.MAX_QUESTION_TOKENS)
    max_answer_tokens: int = _limit(limits.MAX_ANSWER_TOKENS)
    max_merge_tokens: int = _limit(limits.MAX_MERGE_TOKENS)
    watch_share: float = Field(
        limits.WATCH_SHARE.default, gt=0, le=1, description=limits.WATCH_SHARE.description
    )
    watch_sentence: str = Field(
        "What is happening now?",
        max_length=1000,
        description="what the model is asked when a watch opens an event, to say it in words;"
        " empty: nothing",
    )
    events_keep_s: float = _limit(limits.EVENTS_KEEP_S)
    events_max: int = _limit(limits.EVENTS_MAX)
    staleness_s: float = Field(
        10.0, gt=0, description="frames of a live camera older than this are dropped, not queued"
    )
    similarity_gate: float = Field(
        0.0,
        ge=0,
        le=255,
        description="frames whose cells (16 x 16) all changed by less than this many 8-bit levels"
        " since the last one that was taken in are left out; 0: none are",
    )
    similarity_gate_s: float = Field(
        30.0, gt=0, description="seconds after which a frame is taken in even if nothing changed"
    )
    kept_pictures: int = Field(
        32 << 20,
        ge=0,
        description="bytes of pictures (JPEG) of the frames in memory that are kept beside each"
        " camera's memory at most, for people to look at; 0: none are",
    )
    checkpoint_url: str = Field(
        "",
        description="folder for snapshots of memories, from which the next owner restores; the same"
        " for all workers: a path, or any URL that fsspec knows (s3://bucket/prefix); empty: none",
    )
    checkpoint_every_s: float = Field(60.0, gt=0, description="seconds between two checkpoints")
    checkpoint_every_frames: int = Field(
        600, ge=1, description="frames after which a checkpoint is taken in any case"
    )
    checkpoint_keep: int = Field(3, ge=1, le=100, description="checkpoints kept of each camera")
    reflection: bool = Field(False, description="serve gRPC reflection")
    drain_s: float = Field(
        30.0,
        ge=0,
        description="time at shutdown to hand cameras over, end answers and take last checkpoints;"
        " a pod's grace period must be longer",
    )

    @field_validator("model_frame_size")
    @classmethod
    def _parsable_size(cls, value: str) -> str:
        if value and _SIZE.fullmatch(value) is None:
            raise ValueError("must be WIDTHxHEIGHT in pixels, such as 644x364")
        return value

    @model_validator(mode="after")
    def _gateways_only(self) -> Self:
        if self.tls_cert_file and not self.tls_client_ca_file:
            raise ValueError(
                "--tls-client-ca-file is missing: a worker with TLS answers gateways alone, which"
                " show a certificate of that authority"
            )
        return self

    def model_options(self) -> dict[str, Any]:
        """Arguments of `hermes.vlm.load` beside the checkpoint: only those that were set."""
        options: dict[str, Any] = {}
        if match := _SIZE.fullmatch(self.model_frame_size):
            options["frame_size"] = (int(match[2]), int(match[1]))  # height, width
        if self.frame_tokens:
            options["frame_tokens"] = self.frame_tokens
        if self.model_frames_per_second:
            options["frames_per_second"] = self.model_frames_per_second
        if self.model_revision:
            options["revision"] = self.model_revision
        return options

    def engine_config(self) -> EngineConfig:
        """The engine's configuration. With the demo model, unset limits are the model's own."""
        ours = {field.name for field in fields(EngineConfig)} & set(type(self).model_fields)
        chosen = {name: getattr(self, name) for name in ours}
        if self.model == DEMO:
            chosen |= {k: v for k, v in LIMITS.items() if k not in self.model_fields_set}
        return EngineConfig(**chosen, slice_s=self.slice_ms / 1000)

    @property
    def new_gate(self) -> Callable[[], SimilarityGate] | None:
        """Makes a camera's similarity gate; None if there are to be none."""
        if not self.similarity_gate:
            return None
        return partial(SimilarityGate, self.similarity_gate, self.similarity_gate_s)

    def advertised(self, port: int) -> str:
        """The address that goes into the leases."""
        if self.advertise:
            return _with_port(self.advertise, port)
        host = self.listen.rpartition(":")[0]
        if host in ("0.0.0.0", "[::]", ""):  # noqa: S104 - compared, not bound
            host = socket.gethostname()
        return f"{host}:{port}"


def _with_port(address: str, port: int) -> str:
    """`address`, with this port if it names none. A bare IPv6 address gets its brackets."""
    with suppress(ValueError):
        return f"[{IPv6Address(address)}]:{port}"
    return address if ":" in address.rpartition("]")[2] else f"{address}:{port}"
