"""Which cameras a question to several of them is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hermes.errors import InvalidInput, NothingSelected
from hermes.labels import shown
from hermes.selector import Selector
from hermes.v1.camera_pb2 import Camera
from hermes.v1.query_pb2 import CameraSelector
from services.common.cameras import check_id
from services.query_gateway.access.current import Rights
from services.query_gateway.access.scopes import Action

IDS_FIELD = "question.cameras.camera_ids"
LABELS_FIELD = "question.cameras.labels"


class Registered(Protocol):
    """Knows the registered cameras."""

    async def registered(self) -> list[Camera]:
        """All of them, ordered by id. Raises `Unavailable`."""
        ...


class AskedCameras:
    """Finds the cameras that a caller means, up to a number."""

    def __init__(
        self,
        catalogue: Registered,
        rights: Rights,
        most: int,
        most_of_caller: Callable[[], int] = lambda: 0,
    ) -> None:
        """`most`: of any caller. `most_of_caller`: of the current one; 0 is no limit of its own."""
        self._catalogue = catalogue
        self._rights = rights
        self._most = most
        self._most_of_caller = most_of_caller

    async def find(self, meant: CameraSelector) -> list[str]:
        """Their ids, each once: in the order in which they are named, or else sorted.

        Ids are not looked up here: one that is unknown, or that the caller has no
        right to, is that camera's error. Labels select only what the caller may see.
        Raises `InvalidInput`, `NothingSelected` or `Unavailable`.
        """
        if bool(meant.camera_ids) == bool(meant.labels):
            raise InvalidInput(
                "question.cameras", "name cameras by camera_ids or select them by labels"
            )
        if meant.camera_ids:
            ids = list(dict.fromkeys(meant.camera_ids))
            self._check_number(ids, IDS_FIELD)
            for camera_id in ids:
                check_id(camera_id, IDS_FIELD)
        else:
            ids = await self._selected(meant.labels)
            self._check_number(ids, LABELS_FIELD)
        self._rights.asks(ids)
        return ids

    async def names(self) -> dict[str, str]:
        """The display name of every camera that has one, by id. Raises `Unavailable`."""
        cameras = await self._catalogue.registered()
        return {one.id: one.display_name for one in cameras if one.display_name}

    async def _selected(self, labels: str) -> list[str]:
        selector = Selector.parse(labels, LABELS_FIELD)
        ids = [
            camera.id
            for camera in await self._catalogue.registered()
            if self._rights.may(Action.READ, camera.id) and selector.matches(camera.labels)
        ]
        if not ids:
            raise NothingSelected(f"{shown(labels)} selects no camera that you may see")
        return ids

    def _check_number(self, ids: list[str], field: str) -> None:
        own = self._most_of_caller() or self._most
        if len(ids) > min(self._most, own):
            for_whom = " for this token" if own < self._most else ""
            raise InvalidInput(
                field,
                f"{len(ids)} cameras are meant; at most {min(self._most, own)} are asked at a time"
                f"{for_whom}",
            )
