"""Answers of many cameras, as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from hermes.camera_error import error_of_camera
from hermes.client.streams import Parts
from hermes.client.types import Answer
from hermes.errors import HermesError, Unsupported
from hermes.statuses import error_of
from hermes.v1 import query_pb2

MERGED = ""
"""The camera id of the one answer that is made of all cameras' answers."""


@dataclass(frozen=True, slots=True)
class CameraDelta:
    """More of a camera's answer."""

    camera_id: str
    text: str


@dataclass(frozen=True, slots=True)
class CameraAnswered:
    """A camera's whole answer. Nothing follows of this camera."""

    camera_id: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class CameraFailed:
    """This camera does not answer. Nothing follows of it; the others go on."""

    camera_id: str
    error: HermesError


CameraEvent = CameraDelta | CameraAnswered | CameraFailed
"""An event of one camera or, with an empty id, of the merged answer."""


@dataclass(frozen=True, slots=True)
class ManyResult:
    """How all cameras ended, in the order in which they were asked.

    `merged`: the one answer made of them, if it was asked for; `merge_error`: why
    there is none.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    errors: Mapping[str, HermesError] = field(default_factory=dict)
    merged: Answer | None = None
    merge_error: HermesError | None = None


def ranked(answers: Mapping[str, Answer], choice: str) -> list[tuple[str, float]]:
    """Cameras with the probability that their answers give to a choice, the likeliest first.

    Which camera shows a red truck? Ask all with `yes_no=True`, and rank by "yes".
    An answer without this choice has no place.
    """
    found = [
        (camera_id, one.probability)
        for camera_id, answer in answers.items()
        for one in answer.choices
        if one.text == choice
    ]
    return sorted(found, key=lambda of: -of[1])


class _Cameras:
    """What came of each camera so far."""

    def __init__(self, asked: query_pb2.Question) -> None:
        self.ids: tuple[str, ...] | None = None
        self._asked = asked
        self._parts: dict[str, Parts] = {}
        self._ended: dict[str, CameraAnswered | CameraFailed] = {}

    def take(self, message: query_pb2.QueryServiceAskManyResponse) -> list[CameraEvent]:
        """Take one message. The first one names the cameras, and has no event."""
        found = (self._take(one) for one in (message, *message.more))
        return [event for event in found if event is not None]

    def _take(self, message: query_pb2.QueryServiceAskManyResponse) -> CameraEvent | None:
        kind = message.WhichOneof("event")
        if kind == "cameras":
            self.ids = tuple(message.cameras.camera_ids)
            return None
        if self.ids is None:
            raise HermesError("the gateway did not name the cameras first")
        camera_id = message.camera_id
        if kind == "error":
            error = error_of_camera(message.error, camera_id)
            return self._end(CameraFailed(camera_id, error))
        parts = self._parts.get(camera_id)
        if parts is None:  # a merged answer has neither span nor form
            parts = self._parts[camera_id] = Parts(self._asked if camera_id != MERGED else None)
        try:
            text = parts.take(message)
        except Unsupported as error:
            return self._end(CameraFailed(camera_id, error))
        if text is not None:
            return CameraDelta(camera_id, text)
        return self._end(CameraAnswered(camera_id, parts.answer()))

    def _end(self, event: CameraAnswered | CameraFailed) -> CameraAnswered | CameraFailed:
        self._ended[event.camera_id] = event
        return event

    def result(self) -> ManyResult:
        """How all ended. Raises `HermesError` if the stream broke off without an error."""
        ids = self.ids or ()
        missing = [camera_id for camera_id in ids if camera_id not in self._ended]
        if self.ids is None or missing:
            raise HermesError("the answers were not finished")
        ended = [self._ended[camera_id] for camera_id in ids]
        merged = self._ended.get(MERGED)
        return ManyResult(
            {one.camera_id: one.answer for one in ended if isinstance(one, CameraAnswered)},
            {one.camera_id: one.error for one in ended if isinstance(one, CameraFailed)},
            merged.answer if isinstance(merged, CameraAnswered) else None,
            merged.error if isinstance(merged, CameraFailed) else None,
        )


class ManyAnswers(Iterator[CameraEvent]):
    """Iterates over what many cameras say. As a context manager it cancels the rest on exit."""

    def __init__(self, call: Any, peer: str, asked: query_pb2.Question) -> None:
        self._call = call
        self._peer = peer
        self._cameras = _Cameras(asked)
        self._events: deque[CameraEvent] = deque()
        self._cancelled = False

    @property
    def camera_ids(self) -> tuple[str, ...]:
        """The cameras that are asked; waits until the gateway names them. Raises `HermesError`."""
        if self._cameras.ids is None:
            try:
                self._read()
            except StopIteration:
                raise HermesError("the gateway named no cameras") from None
        return self._cameras.ids or ()

    def __next__(self) -> CameraEvent:
        while not self._events:
            self._read()
        return self._events.popleft()

    def _read(self) -> None:
        """Take one more message."""
        try:
            self._events.extend(self._cameras.take(next(self._call)))
        except grpc.RpcError as error:
            if self._cancelled:
                raise StopIteration from None
            raise error_of(error, self._peer) from error

    def result(self) -> ManyResult:
        """How all cameras ended; waits for those that have not."""
        for _ in self:
            pass
        return self._cameras.result()

    def cancel(self) -> None:
        """Stop the work on all answers. Harmless after the end."""
        self._cancelled = True
        self._events.clear()
        self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()


class AsyncManyAnswers(AsyncIterator[CameraEvent]):
    """`ManyAnswers` for asyncio. As a context manager it cancels the rest on exit."""

    def __init__(self, call: Any, peer: str, asked: query_pb2.Question) -> None:
        self._call = call
        self._peer = peer
        self._cameras = _Cameras(asked)
        self._events: deque[CameraEvent] = deque()
        self._cancelled = False

    async def camera_ids(self) -> tuple[str, ...]:
        """The cameras that are asked; waits until the gateway names them. Raises `HermesError`."""
        if self._cameras.ids is None:
            try:
                await self._read()
            except StopAsyncIteration:
                raise HermesError("the gateway named no cameras") from None
        return self._cameras.ids or ()

    async def __anext__(self) -> CameraEvent:
        while not self._cancelled:
            if self._events:
                return self._events.popleft()
            await self._read()
        raise StopAsyncIteration

    async def _read(self) -> None:
        """Take one more message."""
        try:
            message = await self._call.read()
        except grpc.RpcError as error:
            raise error_of(error, self._peer) from error
        if message is grpc.aio.EOF:
            raise StopAsyncIteration
        self._events.extend(self._cameras.take(message))

    async def result(self) -> ManyResult:
        """How all cameras ended; waits for those that have not."""
        async for _ in self:
            pass
        return self._cameras.result()

    def cancel(self) -> None:
        """Stop the work on all answers. Harmless after the end."""
        self._cancelled = True
        self._events.clear()
        self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()
