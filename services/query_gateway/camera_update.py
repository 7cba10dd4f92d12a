"""What a request to update a camera changes, checked before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hermes.errors import InvalidInput
from hermes.labels import MAX_LABELS, check_display_name, check_key, check_labels, shown
from hermes.v1.camera_pb2 import Camera, CameraServiceUpdateRequest
from services.common.cameras import check_id

LABELS, DISPLAY_NAME = "labels", "display_name"
MASK = "update_mask"


@dataclass(frozen=True, slots=True)
class CameraUpdate:
    """Changes of one camera. Each is absolute, so that it can be made twice.

    `labels`, `display_name`: the new ones; None leaves them. `put`, `removed`:
    changes of single labels.
    """

    camera_id: str
    labels: Mapping[str, str] | None
    put: Mapping[str, str]
    removed: frozenset[str]
    display_name: str | None

    @classmethod
    def read(cls, request: CameraServiceUpdateRequest) -> CameraUpdate:
        """Raises `InvalidInput` naming the field that cannot be changed, or not to this."""
        camera, paths = request.camera, request.update_mask.paths
        check_id(camera.id, "camera.id")
        for path in paths:
            _check_path(path)
        put, removed = dict(request.put_labels), frozenset(request.remove_labels)
        if not (paths or put or removed):
            raise InvalidInput(
                MASK, f"names nothing to change: name {LABELS} or {DISPLAY_NAME}, or put labels"
            )
        if LABELS in paths and (put or removed):
            field = "put_labels" if put else "remove_labels"
            raise InvalidInput(field, f"cannot go with {LABELS} in {MASK}, which replaces all")
        check_labels(put, "put_labels")
        _check_removed(removed, put)
        if LABELS in paths:
            check_labels(camera.labels)
        if DISPLAY_NAME in paths:
            check_display_name(camera.display_name)
        return cls(
            camera.id,
            dict(camera.labels) if LABELS in paths else None,
            put,
            removed,
            camera.display_name if DISPLAY_NAME in paths else None,
        )

    def applied_to(self, camera: Camera) -> Camera:
        """A changed copy. Raises `InvalidInput` if the camera would have too many labels."""
        labels = dict(camera.labels) if self.labels is None else dict(self.labels)
        labels |= self.put
        for key in self.removed:
            labels.pop(key, None)
        check_labels(labels)
        changed = Camera()
        changed.CopyFrom(camera)
        changed.labels.clear()
        changed.labels.update(labels)
        if self.display_name is not None:
            changed.display_name = self.display_name
        return changed


def _check_path(path: str) -> None:
    if path in (LABELS, DISPLAY_NAME):
        return
    name = path.partition(".")[0]
    if name == LABELS:
        raise InvalidInput(MASK, f"{shown(path)}: put_labels and remove_labels change one label")
    if name in Camera.DESCRIPTOR.fields_by_name:
        raise InvalidInput(
            MASK,
            f"{shown(path)} cannot be changed; remove the camera and add it again:"
            " its memory then begins anew",
        )
    raise InvalidInput(
        MASK, f"a camera has no field {shown(path)}; {LABELS} and {DISPLAY_NAME} can be changed"
    )


def _check_removed(removed: frozenset[str], put: Mapping[str, str]) -> None:
    field = "remove_labels"
    if len(removed) > MAX_LABELS:
        raise InvalidInput(field, f"names {len(removed)} labels; {MAX_LABELS} are allowed")
    for key in sorted(removed):
        check_key(key, field)
        if key in put:
            raise InvalidInput(field, f"{shown(key)} is in put_labels, too")
