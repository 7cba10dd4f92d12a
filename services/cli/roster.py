"""The cameras of a run beside those that are there: what is added, changed, removed, left alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError

from hermes.client import HermesClient
from hermes.client.requests import add_request
from hermes.errors import CameraNotFound
from hermes.v1.camera_pb2 import Camera
from services.cli.config import CameraConfig
from services.common import keys
from services.common.camera_credentials import CameraCredentials, CannotOpen
from services.common.cameras import is_file
from services.common.connection import connect
from services.common.files import write_private

MOST_LINES = 20
"""More new cameras than this are said in one line."""
FILE_CAMERAS = "file-cameras.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done. `changed`: by id, what is different."""

    added: tuple[str, ...]
    changed: Mapping[str, str]
    removed: tuple[str, ...]
    as_before: tuple[str, ...]
    others: tuple[str, ...]
    """Cameras that nobody names now, and that stay: of the API, or of an earlier command line."""
    updated: Mapping[str, str] = field(default_factory=dict)
    """By id, what is different of cameras that can keep their memory."""


def plan(wanted: Iterable[Camera], there: Mapping[str, Camera], dropped: Iterable[str]) -> Plan:
    """`there`: the registered cameras; `dropped`: those that the configuration file named once."""
    added, changed, updated, as_before = [], {}, {}, []
    ids = set()
    for camera in wanted:
        ids.add(camera.id)
        registered = there.get(camera.id)
        if registered is None:
            added.append(camera.id)
        elif different := _differences(registered, camera):
            changed[camera.id] = different
        elif different := _differences_in_name(registered, camera):
            updated[camera.id] = different
        else:
            as_before.append(camera.id)
    removed = tuple(id for id in dropped if id in there and id not in ids)
    others = tuple(sorted(there.keys() - ids - {*removed}))
    return Plan(tuple(added), changed, removed, tuple(as_before), others, updated)


def _differences(old: Camera, new: Camera) -> str:
    """What is different of the frames, so that memory must begin anew."""
    pairs = {
        "URL": (old.url, new.url),
        "fps": (old.sampling.frames_per_second, new.sampling.frames_per_second),
        "chunks": (
            (old.sampling.chunk_max_frames, old.sampling.chunk_max_duration.ToNanoseconds()),
            (new.sampling.chunk_max_frames, new.sampling.chunk_max_duration.ToNanoseconds()),
        ),
        "pacing": (old.pacing, new.pacing),
        "loop": (old.loop, new.loop),
        "picture": (old.picture, new.picture),
    }
    return _named(pairs)


def _differences_in_name(old: Camera, new: Camera) -> str:
    pairs = {
        "labels": (old.labels, new.labels),
        "display name": (old.display_name, new.display_name),
    }
    return _named(pairs)


def _named(pairs: Mapping[str, tuple[object, object]]) -> str:
    return ", ".join(name for name, (before, now) in pairs.items() if before != now)


def registered_cameras(
    redis_url: str, credentials: CameraCredentials, root: Path | None
) -> dict[str, Camera]:
    """The cameras in Redis, with the URLs that they were added with; files by absolute path."""
    client = connect(redis_url)
    try:
        entries: dict[bytes, bytes] = client.hgetall(keys.CAMERAS)  # type: ignore[assignment]
    finally:
        client.close()
    found = {}
    for raw in entries.values():
        try:
            camera = Camera.FromString(raw)
            camera.url = credentials.open(camera.url)
        except (DecodeError, CannotOpen):
            continue  # it cannot be compared: it counts as changed, if it is wanted
        if root is not None and is_file(camera.url) and "://" not in camera.url:
            camera.url = str(root / camera.url)
        found[camera.id] = camera
    return found


class Roster:
    """Makes the registered cameras those that are wanted."""

    def __init__(
        self,
        cameras: list[CameraConfig],
        from_file: frozenset[str],
        file: Path | None,
        kept_in: Path | None,
    ) -> None:
        """`from_file`: the cameras that `file` names. `kept_in`: where that is kept for the next
        run, if there is to be one.
        """
        self._wanted = {
            c.id: add_request(
                c.id,
                c.url,
                c.fps,
                0,
                None,
                c.pacing,
                c.loop,
                c.picture.picture,
                c.labels,
                c.display_name or "",
            ).camera
            for c in cameras
        }
        self._cameras = {camera.id: camera for camera in cameras}
        self._from_file = from_file
        self._file = file
        self._kept = None if kept_in is None else kept_in / FILE_CAMERAS

    def apply(
        self, client: HermesClient, there: Mapping[str, Camera], say: Callable[[str], None]
    ) -> None:
        """Add, replace, update and remove cameras, and say what is done. Raises `HermesError`."""
        self._keep_what_is_not_said(there)
        todo = plan(self._wanted.values(), there, self._dropped())
        for camera_id in todo.removed:
            _remove(client, camera_id)
            say(f"camera {camera_id}: removed with its memory, as {self._file} names it no more")
        for camera_id in todo.added:
            self._add(client, camera_id)
            if len(todo.added) <= MOST_LINES:
                say(f"camera {camera_id}: added")
        if len(todo.added) > MOST_LINES:
            say(f"{len(todo.added)} cameras added: {', '.join(todo.added)}")
        for camera_id, different in todo.changed.items():
            _remove(client, camera_id)
            self._add(client, camera_id)
            say(f"camera {camera_id}: {different} changed: its memory begins anew")
        for camera_id, different in todo.updated.items():
            wanted = self._wanted[camera_id]
            client.update_camera(camera_id, labels=wanted.labels, display_name=wanted.display_name)
            say(f"camera {camera_id}: {different} changed: it keeps its memory")
        if todo.as_before:
            say(f"as before, with what they remember: {', '.join(todo.as_before)}")
        if todo.others:
            say(f"of earlier runs: {', '.join(todo.others)}")
        self._remember()

    def _keep_what_is_not_said(self, there: Mapping[str, Camera]) -> None:
        """Labels and names that neither file nor flag gives stay: they may be from the API."""
        for camera_id, camera in self._cameras.items():
            wanted, registered = self._wanted[camera_id], there.get(camera_id)
            if camera.labels is None and registered is not None:
                wanted.labels.update(registered.labels)
            if camera.display_name is None and registered is not None:
                wanted.display_name = registered.display_name

    def _add(self, client: HermesClient, camera_id: str) -> None:
        camera = self._cameras[camera_id]
        client.add_camera(
            camera.id,
            camera.url,
            frames_per_second=camera.fps,
            pacing=camera.pacing,
            loop=camera.loop,
            picture=camera.picture.picture,
            labels=self._wanted[camera_id].labels,
            display_name=self._wanted[camera_id].display_name,
        )

    def _dropped(self) -> list[str]:
        """The cameras that the same file named at the last run, and does not name now."""
        if self._kept is None or self._file is None:
            return []
        try:
            kept = json.loads(self._kept.read_text())
            named = [str(id) for id in kept["cameras"]] if kept["file"] == str(self._file) else []
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return [id for id in named if id not in self._from_file]

    def _remember(self) -> None:
        if self._kept is not None and self._file is not None:
            kept = {"file": str(self._file), "cameras": sorted(self._from_file)}
            with write_private(self._kept) as file:
                file.write(json.dumps(kept).encode())


def _remove(client: HermesClient, camera_id: str) -> None:
    try:
        client.remove_camera(camera_id)
    except CameraNotFound:
        return  # somebody else was quicker
