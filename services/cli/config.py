"""`hermes.yaml`: cameras and models of one machine, checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hermes.errors import InvalidInput
from services.common.cameras import ID_PATTERN
from services.common.redaction import MASK, redact


class CameraConfig(BaseModel):
    """One camera."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str = Field(min_length=1, max_length=64, pattern=rf"^{ID_PATTERN.pattern}$")
    url: str = Field(min_length=1)
    fps: float = Field(0.0, ge=0, le=30)
    pacing: Literal["default", "live", "as_fast_as_read"] = "default"
    loop: bool = False


class UpConfig(BaseModel):
    """The settings of `hermes up`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    cameras: list[CameraConfig] = Field(default_factory=list)
    model: str = "demo"
    revision: str = ""
    device: str = "auto"
    listen: str = "127.0.0.1:50051"
    media_root: Path | None = None
    budget_tokens: int = Field(0, ge=0)
    frames_per_second: float = Field(0.0, ge=0, le=30)

    def overridden(
        self,
        cameras: list[CameraConfig],
        model: str,
        device: str,
        listen: str,
        media_root: Path | None,
    ) -> UpConfig:
        """A copy with the command line's values on top. The later of two equal ids counts."""
        by_id = {camera.id: camera for camera in [*self.cameras, *cameras]}
        return self.model_copy(
            update={
                "cameras": list(by_id.values()),
                "model": model or self.model,
                "device": device or self.device,
                "listen": listen or self.listen,
                "media_root": media_root or self.media_root,
            }
        )


def read_config(path: Path) -> UpConfig:
    """Read and check a file. Raises `InvalidInput` naming what is wrong, without showing URLs."""
    data = path.read_bytes()
    try:
        raw = yaml.safe_load(data)
    except Exception as error:  # the parser lets much more through than its own YAMLError
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise InvalidInput(str(path), f"is not YAML{where}") from None
    try:
        return UpConfig.model_validate(raw or {})
    except ValidationError as error:
        raise InvalidInput(str(path), _problems(error)) from None


def camera_of_flag(flag: str) -> CameraConfig:
    """`ID=URL` as a camera. Raises `InvalidInput`."""
    camera_id, equals, url = flag.partition("=")
    # A URL with a "=" in it has one, too. Neither is repeated: there may be a password in it.
    if not (equals and ID_PATTERN.fullmatch(camera_id) and url):
        shown = repr(flag) if ID_PATTERN.fullmatch(flag) else "one of them"
        raise InvalidInput("--camera", f"{shown} is not ID=URL, e.g. lobby=rtsp://host/1")
    try:
        return CameraConfig(id=camera_id, url=url)
    except ValidationError as error:
        raise InvalidInput("--camera", _problems(error)) from None


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(_shown, item['loc'])) or 'the file'}: {redact(item['msg'])}"
        for item in error.errors(include_url=False, include_input=False)
    )


def _shown(name: str | int) -> str:
    """A field's name; a URL that stands where a name should is not repeated."""
    return str(name) if re.fullmatch(r"\w+", str(name)) else MASK
