"""What `hermes up` is asked to run, checked as a whole before anything starts."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hermes.client.requests import add_request
from hermes.errors import InvalidInput
from services.cli.config import CameraConfig, ConfigFile, UpConfig, camera_of_flag, is_path
from services.cli.frame_size import DEMO, UnknownFrameSize, frame_size_of
from services.cli.http_door import DEFAULT, OFF
from services.common import cameras
from services.common.cameras import NETWORK_PROTOCOLS, SourcePolicy
from services.common.listening import why_not_listen
from services.common.redaction import redact

_DEVICE = re.compile(r"[a-z]+(:\d+)?")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_LISTEN = re.compile(r".+:\d{1,5}")
MAX_PORT = 65535


class Refused(Exception):
    """What is asked for cannot be run. The message lists every reason."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Settings that can be used. `config.cameras` have absolute paths, below the media folder."""

    config: UpConfig
    media_root: Path | None
    frame_size: str
    from_file: frozenset[str]
    """The cameras that the configuration file names."""


class Check:
    """Collects faults, each with the place where it stands."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._places: dict[str, str] = {}
        self._settings: dict[str, str] = {}

    def flags(self, flags: list[str]) -> list[CameraConfig]:
        """The cameras of the command line."""
        given = []
        for flag in flags:
            try:
                given.append(camera_of_flag(flag))
            except InvalidInput as error:
                self.faults.append(str(error))
        for camera_id, count in Counter(camera.id for camera in given).items():
            if count > 1:
                self.faults.append(f"--camera: {camera_id} is given {count} times")
        return given

    def file(self, path: Path, read: ConfigFile) -> None:
        """The faults of a configuration file, and where its cameras stand."""
        self.faults += [f"{path}: {fault}" for fault in read.faults]
        self._places = {id: f"{path}: {place}: " for id, place in read.places.items()}
        self._settings = {name: f"{path}: {place}: " for name, place in read.settings.items()}

    def flags_count(self, cameras: list[CameraConfig], settings: list[str]) -> None:
        """What the command line gives, too, stands there."""
        for camera in cameras:
            self._places.pop(camera.id, None)
        for name in settings:
            self._settings.pop(name, None)

    def listen(self, listen: str) -> None:
        """Whether the gateway can listen there."""
        if not _LISTEN.fullmatch(listen) or int(listen.rpartition(":")[2]) > MAX_PORT:
            self._setting("listen", f"{listen!r} is not HOST:PORT, e.g. 127.0.0.1:50051")
        elif why := why_not_listen(listen):
            self._setting("listen", f"{listen}: {why}")

    def http(self, listen: str) -> None:
        """Whether the HTTP door can listen there."""
        if listen in ("", OFF):
            return
        if not _LISTEN.fullmatch(listen) or int(listen.rpartition(":")[2]) > MAX_PORT:
            self._setting("http", f"{listen!r} is not HOST:PORT, e.g. {DEFAULT}, nor {OFF}")
        elif why := why_not_listen(listen):
            self._setting("http", f"{listen}: {why}")

    def device(self, device: str) -> None:
        """Whether it has the form of a device's name."""
        if not _DEVICE.fullmatch(device):
            self._setting("device", f"{device!r} is not auto, cpu, cuda, cuda:1 ...")

    def sinks(self, path: Path | None) -> None:
        """Whether the notifier could start with its file of sinks."""
        if path is None:
            return
        from services.notifier.sinks_file import read_sinks

        try:
            read_sinks(path)
        except InvalidInput as error:
            self._setting("sinks", str(error))

    def model(self, model: str, frame_tokens: int = 0) -> str:
        """The size of the model's frames. `frame_tokens`: the most tokens of one, if chosen."""
        if model != DEMO and not Path(model).is_dir() and not _HUB_NAME.fullmatch(model):
            self._setting(
                "model",
                f"{redact(model)!r} is no folder that is there, and no owner/name on the"
                " Hugging Face hub",
            )
            return ""
        try:
            return frame_size_of(model, frame_tokens)
        except UnknownFrameSize as error:
            name, _, why = str(error).partition(": ")
            self._setting(*((name, why) if name == "frame_tokens" else ("model", str(error))))
            return ""

    def cameras(
        self, given: list[CameraConfig], media_root: Path | None
    ) -> tuple[Path | None, list[CameraConfig]]:
        """The media folder, and the cameras with absolute paths below it."""
        paths = {c.id: Path(c.url).expanduser() for c in given if is_path(c.url)}
        files: dict[str, Path] = {}
        for camera_id, path in paths.items():
            try:
                files[camera_id] = path.resolve()
                found = path.is_file()
            except (OSError, RuntimeError, ValueError):
                found = False
            if not found:
                files.pop(camera_id, None)
                self._camera(camera_id, f"there is no such file{_named(path)}")
        root = self._root(files, media_root)
        placed = []
        for camera in given:
            if (file := files.get(camera.id)) is not None:
                camera = camera.model_copy(update={"url": str(file)})
                if root is not None and not file.is_relative_to(root):
                    self._camera(camera.id, f"{file} lies outside the media folder {root}")
                    continue
            elif camera.id in paths:
                continue
            self._as_the_gateway_does(camera, root)
            placed.append(camera)
        return root, placed

    def _root(self, files: dict[str, Path], media_root: Path | None) -> Path | None:
        if media_root is not None:
            if not media_root.is_dir():
                self._setting("media_root", f"there is no folder {media_root}")
            return media_root.resolve()
        if not files:
            return None
        root = Path(os.path.commonpath([path.parent for path in files.values()]))
        if root in (Path(root.anchor), Path.home()):
            self.faults.append(
                f"the videos have no folder of their own in common ({root}): give --media-root"
            )
        return root

    def _as_the_gateway_does(self, camera: CameraConfig, root: Path | None) -> None:
        """Check it by the rules of the gateway, which would refuse it once all is started."""
        names = os.environ.get("HERMES_PROTOCOLS")
        allowed = frozenset(names.lower().replace(" ", "").split(",")) if names else None
        devices = os.environ.get("HERMES_LOCAL_DEVICES", "").lower() in ("1", "true", "yes", "on")
        policy = SourcePolicy(root, NETWORK_PROTOCOLS if allowed is None else allowed, devices)
        request = add_request(
            camera.id,
            camera.url,
            camera.fps,
            0,
            None,
            camera.pacing,
            camera.loop,
            camera.picture.picture,
        )
        try:
            cameras.check(request.camera, policy)
        except InvalidInput as error:
            self._camera(camera.id, f"{error.field.removeprefix('camera.')} {error.message}")

    def _setting(self, name: str, text: str) -> None:
        self.faults.append(f"{self._settings.get(name, '')}{name}: {text}")

    def _camera(self, camera_id: str, text: str) -> None:
        self.faults.append(f"{self._places.get(camera_id, '')}camera {camera_id}: {text}")

    def end(self) -> None:
        """Raise `Refused` if there are faults."""
        if len(self.faults) == 1:
            raise Refused(self.faults[0])
        if self.faults:
            listed = "".join(f"\n  {fault}" for fault in self.faults)
            raise Refused(f"{len(self.faults)} things are wrong; nothing was started:{listed}")


def _named(path: Path) -> str:
    """The path, for a message; what may be a URL with a password is not repeated."""
    if {*"@?="} & {*str(path)}:
        return " (a URL begins with rtsp://, rtsps://, http:// or https://)"
    return f": {redact(str(path))}"
