"""`hermes.yaml`: cameras and models of one machine, checked, each fault with its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from hermes.client import Picture
from hermes.client.picture import picture_message
from hermes.errors import InvalidInput
from hermes.labels import check_display_name, check_labels, key_fault, value_fault
from services.cli.frame_size import DEMO
from services.cli.watch_config import WatchConfig
from services.common.cameras import ID_PATTERN, is_file
from services.common.redaction import MASK, lacks_scheme, redact
from services.common.yaml_marks import Marks, marks_of

_RAISED = "Value error, "
"""What comes before the message of a validator here."""


OF_A_KEY = "[key]"
"""What Pydantic ends the place of a fault with that is one of a mapping's key."""

LISTS = ("cameras", "watches")
"""Settings that are lists: of each, what is wrong with one entry leaves the others."""

T = TypeVar("T")


def _checked(check: Callable[[], None], value: T) -> T:
    """The value, once `check` has passed."""
    try:
        check()
    except InvalidInput as error:
        raise ValueError(error.message) from None
    return value


def _label_key(key: Any) -> Any:
    fault = key_fault(key) if isinstance(key, str) else "the key is no text: write it in quotes"
    if fault is not None:
        raise ValueError(fault)
    return key


def _label_value(value: Any) -> Any:
    """YAML reads 2 as a number and on as true: what was written is not known any more."""
    if not isinstance(value, str):
        raise ValueError('the value is no text: write it in quotes, like "2"')
    if (fault := value_fault(value)) is not None:
        raise ValueError(fault)
    return value


LabelKey = Annotated[str, BeforeValidator(_label_key)]
LabelValue = Annotated[str, BeforeValidator(_label_value)]


class PictureConfig(BaseModel):
    """Corrections of a camera's picture."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    rotate: int | None = None
    mirror: bool = False
    aspect: str = ""
    transport: str = "auto"
    color: str = ""

    @field_validator("aspect", mode="before")
    @classmethod
    def _without_quotes(cls, value: Any) -> Any:
        """YAML reads 16:9 as minutes and seconds, which are 969 seconds."""
        return "{}:{}".format(*divmod(value, 60)) if type(value) is int else value

    @field_validator("*")
    @classmethod
    def _sendable(cls, value: Any, info: ValidationInfo) -> Any:
        try:
            picture_message(Picture(**{str(info.field_name): value}))
        except InvalidInput as error:
            raise ValueError(error.message) from None
        return value

    @property
    def picture(self) -> Picture:
        """As the client takes it."""
        return Picture(self.rotate, self.mirror, self.aspect, self.transport, self.color)


class CameraConfig(BaseModel):
    """One camera."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str = Field(min_length=1, max_length=64, pattern=rf"^{ID_PATTERN.pattern}$")
    url: str = Field(min_length=1)
    fps: float = Field(0.0, ge=0, le=30)
    pacing: Literal["default", "live", "as_fast_as_read"] = "default"
    loop: bool = False
    picture: PictureConfig = PictureConfig()
    labels: dict[LabelKey, LabelValue] | None = None
    """None leaves those that the camera has."""
    display_name: str | None = None
    """None leaves the one that the camera has."""

    @field_validator("labels")
    @classmethod
    def _few_enough(cls, labels: dict[str, str] | None) -> dict[str, str] | None:
        return _checked(lambda: check_labels(labels or {}), labels)

    @field_validator("display_name")
    @classmethod
    def _one_line(cls, name: str | None) -> str | None:
        return _checked(lambda: check_display_name(name or ""), name)


class UpConfig(BaseModel):
    """The settings of `hermes up`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    cameras: list[CameraConfig] = Field(default_factory=list)
    watches: list[WatchConfig] = Field(default_factory=list)
    model: str = DEMO
    revision: str = ""
    device: str = "auto"
    listen: str = "127.0.0.1:50051"
    media_root: Path | None = None
    budget_tokens: int = Field(0, ge=0)
    frame_tokens: int = Field(0, ge=0)
    frames_per_second: float = Field(0.0, ge=0, le=30)
    capacity: int = Field(0, ge=0, le=4096)
    reflection: bool = False
    http: str = ""
    """HOST:PORT of the HTTP door, or off; "": the usual port, or a free one."""
    sinks: Path | None = None
    """The notifier's file of sinks; None runs no notifier."""

    def overridden(self, cameras: list[CameraConfig], **given: Any) -> UpConfig:
        """A copy with the command line's values on top, but for those that are None or empty.

        The later of two equal ids counts.
        """
        by_id = {camera.id: camera for camera in [*self.cameras, *cameras]}
        chosen = {name: value for name, value in given.items() if value not in (None, "")}
        return self.model_copy(update={"cameras": list(by_id.values()), **chosen})

    def relative_to(self, folder: Path) -> UpConfig:
        """A copy whose relative paths are those of `folder`."""
        changes: dict[str, Any] = {}
        if self.media_root is not None:
            changes["media_root"] = folder / self.media_root.expanduser()
        if self.sinks is not None:
            changes["sinks"] = folder / self.sinks.expanduser()
        model = folder / Path(self.model).expanduser()
        if self.model != DEMO and model.is_dir():
            changes["model"] = str(model)
        changes["cameras"] = [
            camera.model_copy(update={"url": str(folder / Path(camera.url).expanduser())})
            if is_path(camera.url)
            else camera
            for camera in self.cameras
        ]
        return self.model_copy(update=changes)


def is_path(url: str) -> bool:
    """Whether a camera's URL is the path of a file."""
    return is_file(url) and not url.lower().startswith("file:") and not lacks_scheme(url)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a file says as far as it can be used, and what is wrong with the rest of it."""

    config: UpConfig
    places: dict[str, str]
    """Where each camera of `config` stands, by its id."""
    settings: dict[str, str]
    """Where each of the other settings stands, by its name."""
    faults: tuple[str, ...]


def read_config(path: Path) -> UpConfig:
    """Read and check a file. Raises `InvalidInput` naming what is wrong, without showing URLs."""
    read = read_config_file(path)
    if read.faults:
        raise InvalidInput(str(path), "; ".join(read.faults))
    return read.config


def read_config_file(path: Path) -> ConfigFile:
    """Read a file, and find everything that is wrong with it. Raises `InvalidInput` if it cannot
    be read as YAML.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read: {error.strerror}") from None
    try:
        raw, marks = yaml.safe_load(data), marks_of(data)
    except Exception as error:  # the parser raises more types than its own YAMLError
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise InvalidInput(str(path), f"is not YAML{where}") from None
    faults = [f"{marks.where(key)}: {_name(key)}: stands twice" for key in marks.repeated]
    config, kept = _validated(raw or {}, marks, faults)
    places: dict[str, str] = {}
    cameras: list[CameraConfig] = []
    for camera, index in zip(config.cameras, kept["cameras"], strict=True):
        where = marks.where(("cameras", index))
        if camera.id in places:
            faults.append(f"{where}: there is a camera {camera.id} already, at {places[camera.id]}")
            continue
        places[camera.id] = where
        cameras.append(camera)
    faults += _faults_of_watches(config.watches, kept["watches"], marks)
    settings = {str(path[0]): marks.where(path) for path in marks.places if len(path) == 1}
    config = config.model_copy(update={"cameras": cameras})
    return ConfigFile(config, places, settings, tuple(faults))


def _faults_of_watches(watches: list[WatchConfig], indices: list[int], marks: Marks) -> list[str]:
    """What is wrong with watches as a whole, beyond the kinds of their values."""
    faults: list[str] = []
    places: dict[str, str] = {}
    for index, watch in zip(indices, watches, strict=True):
        where = marks.where(("watches", index))
        if watch.id in places:
            faults.append(f"{where}: there is a watch {watch.id} already, at {places[watch.id]}")
        places.setdefault(watch.id, where)
        try:
            watch.watch()
        except InvalidInput as error:
            place = marks.where(("watches", index, error.field))
            faults.append(f"{place}: watches.{index}.{error.field}: {error.message}")
    return faults


def _validated(raw: Any, marks: Marks, faults: list[str]) -> tuple[UpConfig, dict[str, list[int]]]:
    """What can be used of `raw`, and at which places of its lists cameras and watches stood."""
    found = raw if isinstance(raw, dict) else {}
    listed = {name: list(found[name]) for name in LISTS if isinstance(found.get(name), list)}
    try:
        config = UpConfig.model_validate(raw)
    except ValidationError as error:
        wrong = [tuple(item["loc"]) for item in error.errors(include_input=False)]
        faults += [f"{marks.where(loc)}: {text}" for loc, text in _problems(error)]
        if not isinstance(raw, dict):
            return UpConfig(), {name: [] for name in LISTS}
        kept = {
            name: [
                index
                for index, _ in enumerate(listed.get(name, ()))
                if not any(loc[:2] == (name, index) for loc in wrong)
            ]
            for name in LISTS
        }
        known = UpConfig.model_fields.keys() - {loc[0] for loc in wrong if loc} - {*LISTS}
        usable = {name: value for name, value in raw.items() if name in known}
        for name, indices in kept.items():
            usable[name] = [listed[name][index] for index in indices]
        return UpConfig.model_validate(usable), kept
    return config, {name: list(range(len(getattr(config, name)))) for name in LISTS}


def camera_of_flag(flag: str) -> CameraConfig:
    """`ID=URL` as a camera. Raises `InvalidInput`."""
    camera_id, equals, url = flag.partition("=")
    # A URL with a "=" also passes. The value is not repeated: it may hold a password.
    if not (equals and ID_PATTERN.fullmatch(camera_id) and url):
        shown = repr(flag) if ID_PATTERN.fullmatch(flag) else "one of them"
        raise InvalidInput("--camera", f"{shown} is not ID=URL, e.g. lobby=rtsp://host/1")
    try:
        return CameraConfig(id=camera_id, url=url)
    except ValidationError as error:
        text = "; ".join(text for _, text in _problems(error))
        raise InvalidInput("--camera", text) from None


def _problems(error: ValidationError) -> list[tuple[tuple[str | int, ...], str]]:
    return [
        (item["loc"], f"{_name(item['loc'])}: {redact(item['msg'].removeprefix(_RAISED))}")
        for item in error.errors(include_url=False, include_input=False)
    ]


def _name(loc: tuple[str | int, ...]) -> str:
    named = [_shown(name, before) for before, name in zip(("", *loc), loc, strict=False)]
    return ".".join(named).removesuffix(f".{OF_A_KEY}") or "the file"


def _shown(name: str | int, before: str | int) -> str:
    """A field's name for an error. A URL in place of a name is not repeated."""
    usual = r"[\w./-]+" if before == "labels" else r"\w+"
    return str(name) if name == OF_A_KEY or re.fullmatch(usual, str(name)) else MASK
