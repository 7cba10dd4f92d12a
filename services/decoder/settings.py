"""The settings of a decoder. Cameras override sampling, chunking and pacing for themselves."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from services.common.camera_credentials import CameraCredentials
from services.common.cameras import (
    ALL_PROTOCOLS,
    MAX_FRAMES_PER_SECOND,
    NETWORK_PROTOCOLS,
    SourcePolicy,
)
from services.common.networks import Networks
from services.common.settings import ServiceSettings
from services.decoder.hardware import NONE, Choice
from services.decoder.picture import FrameSize

MIB = 1 << 20


class DecoderSettings(ServiceSettings):
    """Settings of `hermes-decoder`. Durations are seconds, sizes are bytes."""

    capacity: int = Field(64, ge=1, le=4096, description="cameras that this process reads at most")
    media_root: Path | None = Field(
        None, description="folder below which local files may be read; unset refuses all files"
    )
    local_devices: bool = Field(
        False, description="cameras may be devices of this machine: v4l2:/dev/video0"
    )
    protocols: str = Field(
        ",".join(sorted(NETWORK_PROTOCOLS)),
        description="network protocols that cameras may use, separated by commas; rtmp and rtmps"
        " can be added",
    )
    networks_denied: str = Field(
        "",
        description="networks that no source may lead to, separated by commas: 10.0.0.0/8, loopback"
        " or private; beside link-local addresses and cloud metadata, unless the list says none",
    )
    networks_allowed: str = Field(
        "", description="networks that sources may lead to; empty allows all that are not denied"
    )
    tls_verify: bool = Field(True, description="check certificates of rtsps and https sources")
    tls_ca_file: str = Field(
        "", description="PEM file of the authorities to trust; empty means the system's"
    )

    credentials_key_file: Path | None = Field(
        None, description="file with the keys of the gateway, to open cameras' sealed credentials"
    )
    credentials_folder: Path | None = Field(
        None, description="folder of the files that ${secret:NAME} in a camera's URL refers to"
    )

    frame_size: str = Field(
        "384x384",
        description="most pixels of a frame as WIDTHxHEIGHT, or its longest side; shapes are kept",
    )
    jpeg_quality: int = Field(95, ge=1, le=100, description="1 (small) to 100 (best)")
    frames_per_second: float = Field(
        1.0,
        gt=0,
        le=MAX_FRAMES_PER_SECOND,
        description="frames sampled for each second of presentation time",
    )
    chunk_max_frames: int = Field(8, ge=1, le=64, description="a chunk closes at this many frames")
    chunk_max_duration_s: float = Field(
        1.0, gt=0, le=60, description="or when its first frame is this old"
    )

    hwaccel: Choice = Field(
        NONE,
        description="decode on hardware: auto (what is there), cuda or vaapi; software takes over"
        " where it cannot, and the camera's status says why",
    )

    open_timeout_s: float = Field(10.0, gt=0, le=120, description="time to open a source")
    read_timeout_s: float = Field(
        5.0, gt=0, le=120, description="longest silence of an RTSP source (three times it for HTTP)"
    )
    watchdog_s: float = Field(
        10.0, gt=0.5, le=600, description="a camera process silent for this long is killed"
    )
    backoff_base_s: float = Field(
        0.5, gt=0, le=60, description="pause before the first reconnection; doubles, jittered"
    )
    backoff_cap_s: float = Field(15.0, gt=0, le=3600, description="longest such pause")
    stable_s: float = Field(
        10.0, ge=0, le=3600, description="online for this long, pauses start over"
    )

    staleness_s: float = Field(
        10.0, gt=0, le=600, description="a live frame that waited longer for Redis is dropped"
    )
    replay_window_s: float = Field(
        300.0, gt=0, le=86400, description="frames kept in the log for replay, by age"
    )
    log_max_bytes: int = Field(
        64 * MIB, ge=MIB, description="and by size, for each camera: the older ones go first"
    )
    unread_max_bytes: int = Field(
        16 * MIB, ge=64 << 10, description="a file waits while this much of it is unread"
    )

    camera_memory: int = Field(
        768 * MIB,
        ge=32 * MIB,
        le=1 << 40,
        description="most memory that one camera's process may take, beside what all of them share",
    )

    @field_validator("protocols")
    @classmethod
    def _known_protocols(cls, value: str) -> str:
        names = {name.strip().lower() for name in value.split(",") if name.strip()}
        if unknown := names - ALL_PROTOCOLS:
            raise ValueError(
                f"{', '.join(sorted(unknown))} is not supported;"
                f" choose from {', '.join(sorted(ALL_PROTOCOLS))}"
            )
        return ",".join(sorted(names))

    @field_validator("networks_denied", "networks_allowed")
    @classmethod
    def _known_networks(cls, value: str) -> str:
        Networks.parse(value, "")
        return value

    @field_validator("frame_size")
    @classmethod
    def _parsable_size(cls, value: str) -> str:
        FrameSize.parse(value)
        return value

    @field_validator("media_root")
    @classmethod
    def _absolute_root(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().resolve()

    @property
    def networks(self) -> Networks:
        """Which addresses sources may lead to."""
        return Networks.parse(self.networks_denied, self.networks_allowed)

    @property
    def credentials(self) -> CameraCredentials:
        """What opens cameras' URLs."""
        return CameraCredentials(self.credentials_key_file, self.credentials_folder)

    @property
    def policy(self) -> SourcePolicy:
        """Which sources may be opened."""
        protocols = frozenset(name for name in self.protocols.split(",") if name)
        return SourcePolicy(self.media_root, protocols, self.local_devices)
