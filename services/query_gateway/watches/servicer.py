"""hermes.v1.WatchService: watches on the cameras that the caller may watch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from hermes.errors import InvalidInput
from hermes.v1.watch_pb2 import (
    Watch,
    WatchServiceCreateRequest,
    WatchServiceCreateResponse,
    WatchServiceDeleteRequest,
    WatchServiceDeleteResponse,
    WatchServiceGetRequest,
    WatchServiceGetResponse,
    WatchServiceListRequest,
    WatchServiceListResponse,
    WatchServiceTryRequest,
    WatchServiceTryResponse,
    WatchServiceUpdateRequest,
    WatchServiceUpdateResponse,
)
from hermes.v1.watch_pb2_grpc import WatchServiceServicer
from services.common.cameras import check_id
from services.query_gateway.access.allowed import Allowed
from services.query_gateway.access.viewer import Viewers
from services.query_gateway.servicers import in_time
from services.query_gateway.watches.catalogue import WatchCatalogue
from services.query_gateway.watches.changes import WatchChanges
from services.query_gateway.watches.trials import Trials

TRIAL_ID = "trial"
"""The id of a watch that is tried before it has one."""


class WatchServicer(WatchServiceServicer):
    """hermes.v1.WatchService."""

    def __init__(
        self,
        catalogue: WatchCatalogue,
        trials: Trials,
        viewers: Viewers,
        default_deadline_s: float,
        allowed: Allowed,
    ) -> None:
        self._catalogue = catalogue
        self._trials = trials
        self._viewers = viewers
        self._default_deadline_s = default_deadline_s
        self._allowed = allowed

    async def Create(  # noqa: N802, D102
        self, request: WatchServiceCreateRequest, context: Any
    ) -> WatchServiceCreateResponse:
        watch = _given(request)
        quota = self._allowed.watches()
        created = await self._catalogue.create(watch, self._viewers.current(), quota)
        return WatchServiceCreateResponse(watch=created)

    async def Get(  # noqa: N802, D102
        self, request: WatchServiceGetRequest, context: Any
    ) -> WatchServiceGetResponse:
        found = await self._catalogue.get(request.watch_id, self._viewers.current())
        return WatchServiceGetResponse(watch=found)

    async def List(  # noqa: N802, D102
        self, request: WatchServiceListRequest, context: Any
    ) -> WatchServiceListResponse:
        if request.camera_id:
            check_id(request.camera_id)
        found = await self._catalogue.all(self._viewers.current(), request.camera_id)
        return WatchServiceListResponse(watches=found)

    async def Update(  # noqa: N802, D102
        self, request: WatchServiceUpdateRequest, context: Any
    ) -> WatchServiceUpdateResponse:
        _given(request)
        updated = await self._catalogue.update(WatchChanges.read(request), self._viewers.current())
        return WatchServiceUpdateResponse(watch=updated)

    async def Delete(  # noqa: N802, D102
        self, request: WatchServiceDeleteRequest, context: Any
    ) -> WatchServiceDeleteResponse:
        await self._catalogue.delete(request.watch_id, self._viewers.current())
        return WatchServiceDeleteResponse()

    async def Try(  # noqa: N802, D102
        self, request: WatchServiceTryRequest, context: Any
    ) -> AsyncIterator[WatchServiceTryResponse]:
        watch, seer = Watch(), self._viewers.current()
        watch.CopyFrom(_given(request))
        watch.id = watch.id or TRIAL_ID
        checked = self._catalogue.check(watch, seer)
        async with in_time(context, self._default_deadline_s) as deadline:
            results = self._trials.run(checked, request.evidence, seer, deadline)
            async with aclosing(cast(Any, results)) as open_results:
                async for result in open_results:
                    yield result


def _given(request: Any) -> Watch:
    if not request.HasField("watch"):
        raise InvalidInput("watch", "is missing")
    return cast(Watch, request.watch)
