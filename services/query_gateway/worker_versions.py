"""Which workers know what a question asks for: while a fleet is upgraded it is of two versions.

A worker that does not know a part of a message leaves it out, and would answer another
question than the one that was asked. Workers of this version refuse such a question.
Those that are older than all kinds of questions are found out here, by a call that came
after these kinds.
"""

from __future__ import annotations

from typing import Any, cast

import grpc
import grpc.aio

from hermes.errors import Unavailable
from hermes.v1.query_pb2 import Question
from hermes.v1.worker_pb2 import WorkerServiceAskManyRequest
from hermes.v1.worker_pb2_grpc import WorkerServiceStub
from services.query_gateway.outgoing import outgoing
from services.query_gateway.resolver import Route

ALWAYS = frozenset({"camera_id", "text", "max_tokens", "freshness"})
"""Fields of a question that workers of every version know."""
RETRY_AFTER_S = 1.0
MOST = 10_000
"""Routes that are remembered."""


class WorkerVersions:
    """Finds out once for each route: a worker that is replaced comes back under another epoch."""

    def __init__(self) -> None:
        self._know: dict[tuple[str, int], None] = {}

    async def check(
        self, channel: grpc.aio.Channel, route: Route, question: Question, timeout_s: float
    ) -> None:
        """Raises `Unavailable` if the worker would leave out a part of the question, and
        `AioRpcError` if it cannot be reached.
        """
        if all(field.name in ALWAYS for field, _ in question.ListFields()):
            return
        worker = (route.address, route.epoch)
        if worker in self._know:
            return
        about_none = WorkerServiceAskManyRequest()
        many = cast(Any, WorkerServiceStub)(channel).AskMany
        try:
            async for _ in many(about_none, timeout=timeout_s, metadata=outgoing()):
                pass
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise
            raise Unavailable(
                f"the worker of camera {route.camera_id!r} is older than the gateway and does not"
                " know all of what is asked; ask again once it is updated",
                RETRY_AFTER_S,
            ) from error
        self._know[worker] = None
        if len(self._know) > MOST:
            del self._know[next(iter(self._know))]
