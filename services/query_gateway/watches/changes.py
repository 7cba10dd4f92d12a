"""What a request to update a watch changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf.field_mask_pb2 import FieldMask

from hermes.errors import InvalidInput
from hermes.labels import shown
from hermes.v1.watch_pb2 import Watch, WatchServiceUpdateRequest
from services.common.cameras import check_id

MASK = "update_mask"
SET_BY_GATEWAY = ("id", "created", "version", "within")
FORM_PATHS = ("yes_no", "choices", "number", "diary")


@dataclass(frozen=True, slots=True)
class WatchChanges:
    """New values of the fields that a mask names."""

    watch: Watch
    paths: tuple[str, ...]

    @classmethod
    def read(cls, request: WatchServiceUpdateRequest) -> WatchChanges:
        """Raises `InvalidInput` naming what cannot be changed."""
        check_id(request.watch.id, "watch.id")
        paths: Sequence[str] = request.update_mask.paths
        if not paths:
            raise InvalidInput(MASK, "names nothing to change, e.g. trigger, text or paused")
        for path in paths:
            name = path.partition(".")[0]
            if name in SET_BY_GATEWAY:
                raise InvalidInput(MASK, f"{shown(path)} cannot be changed")
            if not _is_path(path):
                raise InvalidInput(MASK, f"a watch has no field {shown(path)}")
        return cls(request.watch, tuple(paths))

    @property
    def cameras(self) -> bool:
        """Whether the watch is to mean other cameras."""
        return any(path.partition(".")[0] == "cameras" for path in self.paths)

    def applied_to(self, watch: Watch) -> Watch:
        """A changed copy, one version later; the same if nothing changes."""
        changed = Watch()
        changed.CopyFrom(watch)
        FieldMask(paths=self.paths).MergeMessage(
            self.watch, changed, replace_message_field=True, replace_repeated_field=True
        )
        for path in self.paths:  # a message without fields is not copied by that
            if path in FORM_PATHS and self.watch.HasField(path):
                getattr(changed, path).CopyFrom(getattr(self.watch, path))
                getattr(changed, path).SetInParent()
        changed.DiscardUnknownFields()
        if changed != watch:
            changed.version = watch.version + 1
        return changed


def _is_path(path: str) -> bool:
    return FieldMask(paths=[path]).IsValidForDescriptor(cast(Any, Watch.DESCRIPTOR))
