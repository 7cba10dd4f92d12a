"""A client of the gateway, blocking and for asyncio.

    with HermesClient("127.0.0.1:50051") as client:
        answer = client.ask("lobby", "What happened at the door?")
        for text in answer:
            print(text, end="", flush=True)
        print(answer.result().timings)

Where the gateway wants a token, give `token=`. Every call has a time-out and
raises the types of `hermes.errors`; the gRPC error is their `__cause__`.
Nothing is retried here: `Retryable.retry_after_s` says when the same call may
succeed. A call within an OpenTelemetry span carries its trace context;
instrumentation of gRPC does no harm beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, cast

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration

from hermes import errors
from hermes.client_streams import AnswerStream, AsyncAnswerStream
from hermes.client_token import Token, bearer
from hermes.client_types import (
    Answer,
    Camera,
    Coverage,
    Freshness,
    Memory,
    Pacing,
    Source,
    Span,
    Timings,
    camera_of,
)
from hermes.contents import MemoryContents
from hermes.contents_message import contents_of
from hermes.statuses import error_of
from hermes.tls import Tls
from hermes.trace_context import trace_context
from hermes.v1 import camera_pb2, memory_pb2, query_pb2
from hermes.v1.camera_pb2_grpc import CameraServiceStub
from hermes.v1.memory_pb2_grpc import MemoryServiceStub
from hermes.v1.query_pb2_grpc import QueryServiceStub

__all__ = [
    "Answer",
    "AnswerStream",
    "AsyncAnswerStream",
    "AsyncHermesClient",
    "Camera",
    "Coverage",
    "Freshness",
    "HermesClient",
    "Memory",
    "MemoryContents",
    "Pacing",
    "Source",
    "Span",
    "Timings",
    "Tls",
    "Token",
]

CALL_TIMEOUT_S = 10.0
ASK_TIMEOUT_S = 60.0

Metadata = Sequence[tuple[str, str]]

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A gateway that comes back is found within seconds; gRPC's default is two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]

_PACINGS: dict[str, camera_pb2.Pacing] = {
    "default": camera_pb2.PACING_UNSPECIFIED,
    "live": camera_pb2.PACING_LIVE,
    "as_fast_as_read": camera_pb2.PACING_AS_FAST_AS_READ,
}
_FRESHNESS: dict[str, query_pb2.Freshness] = {
    "latest": query_pb2.FRESHNESS_LATEST,
    "cached": query_pb2.FRESHNESS_CACHED,
}


class HermesClient:
    """Blocking client. Thread-safe; one is enough for a process."""

    def __init__(
        self,
        address: str,
        *,
        tls: Tls | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        metadata: Metadata = (),
        timeout: float = CALL_TIMEOUT_S,
    ) -> None:
        """`address`: host:port. Without `tls` (or `credentials` of your own making) the connection
        is plain text. Files are read now: a new client sees what they hold later.

        `token` goes with every call as `authorization: Bearer`, and so does
        `metadata` as it is; `timeout` in seconds holds for every call but `ask`.
        """
        self._token = token
        self._metadata = tuple(metadata)
        self._timeout = timeout
        self._peer, credentials, options = _connection(address, tls, credentials)
        self._channel = (
            grpc.insecure_channel(address, options=options)
            if credentials is None
            else grpc.secure_channel(address, credentials, options=options)
        )
        self._cameras = cast(Any, CameraServiceStub)(self._channel)
        self._memories = cast(Any, MemoryServiceStub)(self._channel)
        self._queries = cast(Any, QueryServiceStub)(self._channel)

    def ask(
        self,
        camera_id: str,
        question: str,
        *,
        max_tokens: int = 0,
        freshness: Freshness = "latest",
        timeout: float | None = ASK_TIMEOUT_S,
    ) -> AnswerStream:
        """Ask about a camera. Returns at once; errors come while reading the answer.

        `max_tokens=0` and `timeout=None` leave the limit to the gateway.
        """
        request = _ask_request(camera_id, question, max_tokens, freshness)
        call = self._queries.Ask(request, timeout=timeout, metadata=self._sent())
        return AnswerStream(call, self._peer)

    def inspect(self, camera_id: str) -> MemoryContents:
        """What the camera's memory holds now, layer by layer. `hermes.picture` draws it."""
        request = memory_pb2.MemoryServiceInspectRequest(camera_id=camera_id)
        return contents_of(self._call(self._memories.Inspect, request).contents)

    def add_camera(
        self,
        camera_id: str,
        url: str,
        *,
        frames_per_second: float = 0.0,
        chunk_max_frames: int = 0,
        chunk_max_duration_s: float | None = None,
        pacing: Pacing = "default",
        loop: bool = False,
    ) -> Camera:
        """Register a camera. Zeros mean the deployment's defaults."""
        request = _add_request(
            camera_id, url, frames_per_second, chunk_max_frames, chunk_max_duration_s, pacing, loop
        )
        return camera_of(self._call(self._cameras.Add, request).camera)

    def get_camera(self, camera_id: str) -> Camera:
        """One camera as it is now."""
        request = camera_pb2.CameraServiceGetRequest(camera_id=camera_id)
        return camera_of(self._call(self._cameras.Get, request).camera)

    def list_cameras(self) -> list[Camera]:
        """All cameras, ordered by id."""
        response = self._call(self._cameras.List, camera_pb2.CameraServiceListRequest())
        return [camera_of(info) for info in response.cameras]

    def remove_camera(self, camera_id: str) -> None:
        """Forget a camera, its frames and its memory."""
        self._call(self._cameras.Remove, camera_pb2.CameraServiceRemoveRequest(camera_id=camera_id))

    def close(self) -> None:
        """Close the connection; calls that run are cancelled."""
        self._channel.close()

    def _sent(self) -> Metadata:
        return (*self._metadata, *bearer(self._token), *trace_context())

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self._timeout, metadata=self._sent())
        except grpc.RpcError as error:
            raise error_of(error, self._peer) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncHermesClient:
    """Client for asyncio, with the same calls. Belongs to the loop that it is made in."""

    def __init__(
        self,
        address: str,
        *,
        tls: Tls | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        metadata: Metadata = (),
        timeout: float = CALL_TIMEOUT_S,
    ) -> None:
        """As `HermesClient`."""
        self._token = token
        self._metadata = tuple(metadata)
        self._timeout = timeout
        self._peer, credentials, options = _connection(address, tls, credentials)
        self._channel = (
            grpc.aio.insecure_channel(address, options=options)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options=options)
        )
        self._cameras = cast(Any, CameraServiceStub)(self._channel)
        self._memories = cast(Any, MemoryServiceStub)(self._channel)
        self._queries = cast(Any, QueryServiceStub)(self._channel)

    def ask(
        self,
        camera_id: str,
        question: str,
        *,
        max_tokens: int = 0,
        freshness: Freshness = "latest",
        timeout: float | None = ASK_TIMEOUT_S,
    ) -> AsyncAnswerStream:
        """Ask about a camera. Returns at once; errors come while reading the answer."""
        request = _ask_request(camera_id, question, max_tokens, freshness)
        call = self._queries.Ask(request, timeout=timeout, metadata=self._sent())
        return AsyncAnswerStream(call, self._peer)

    async def inspect(self, camera_id: str) -> MemoryContents:
        """What the camera's memory holds now, layer by layer."""
        request = memory_pb2.MemoryServiceInspectRequest(camera_id=camera_id)
        return contents_of((await self._call(self._memories.Inspect, request)).contents)

    async def add_camera(
        self,
        camera_id: str,
        url: str,
        *,
        frames_per_second: float = 0.0,
        chunk_max_frames: int = 0,
        chunk_max_duration_s: float | None = None,
        pacing: Pacing = "default",
        loop: bool = False,
    ) -> Camera:
        """Register a camera. Zeros mean the deployment's defaults."""
        request = _add_request(
            camera_id, url, frames_per_second, chunk_max_frames, chunk_max_duration_s, pacing, loop
        )
        return camera_of((await self._call(self._cameras.Add, request)).camera)

    async def get_camera(self, camera_id: str) -> Camera:
        """One camera as it is now."""
        request = camera_pb2.CameraServiceGetRequest(camera_id=camera_id)
        return camera_of((await self._call(self._cameras.Get, request)).camera)

    async def list_cameras(self) -> list[Camera]:
        """All cameras, ordered by id."""
        response = await self._call(self._cameras.List, camera_pb2.CameraServiceListRequest())
        return [camera_of(info) for info in response.cameras]

    async def remove_camera(self, camera_id: str) -> None:
        """Forget a camera, its frames and its memory."""
        await self._call(
            self._cameras.Remove, camera_pb2.CameraServiceRemoveRequest(camera_id=camera_id)
        )

    async def close(self) -> None:
        """Close the connection; calls that run are cancelled."""
        await self._channel.close()

    def _sent(self) -> Metadata:
        return (*self._metadata, *bearer(self._token), *trace_context())

    async def _call(self, method: Any, request: Any) -> Any:
        try:
            return await method(request, timeout=self._timeout, metadata=self._sent())
        except grpc.RpcError as error:
            raise error_of(error, self._peer) from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _connection(
    address: str, tls: Tls | None, credentials: grpc.ChannelCredentials | None
) -> tuple[str, grpc.ChannelCredentials | None, list[tuple[str, Any]]]:
    """How errors call the gateway, and what its channel is made of."""
    if tls is not None:
        credentials = tls.read().credentials()
    how = "in plain text" if credentials is None else "over TLS"
    options = [*_OPTIONS, *(() if tls is None else tls.options)]
    return f"the gateway at {address} ({how})", credentials, options


def _ask_request(
    camera_id: str, text: str, max_tokens: int, freshness: str
) -> query_pb2.QueryServiceAskRequest:
    if freshness not in _FRESHNESS:
        raise errors.InvalidInput("question.freshness", f"is one of {', '.join(_FRESHNESS)}")
    if not 0 <= max_tokens < 2**32:
        raise errors.InvalidInput("question.max_tokens", "must be 0 (the default) or more")
    question = query_pb2.Question(
        camera_id=camera_id, text=text, max_tokens=max_tokens, freshness=_FRESHNESS[freshness]
    )
    return query_pb2.QueryServiceAskRequest(question=question)


def _add_request(
    camera_id: str,
    url: str,
    frames_per_second: float,
    chunk_max_frames: int,
    chunk_max_duration_s: float | None,
    pacing: str,
    loop: bool,
) -> camera_pb2.CameraServiceAddRequest:
    if pacing not in _PACINGS:
        raise errors.InvalidInput("camera.pacing", f"is one of {', '.join(_PACINGS)}")
    if not 0 <= chunk_max_frames < 2**32:
        raise errors.InvalidInput("camera.sampling.chunk_max_frames", "must be 0 or more")
    sampling = camera_pb2.Sampling(
        frames_per_second=frames_per_second, chunk_max_frames=chunk_max_frames
    )
    if chunk_max_duration_s is not None:
        duration = Duration()
        duration.FromNanoseconds(round(chunk_max_duration_s * 1e9))
        sampling.chunk_max_duration.CopyFrom(duration)
    camera = camera_pb2.Camera(
        id=camera_id, url=url, sampling=sampling, pacing=_PACINGS[pacing], loop=loop
    )
    return camera_pb2.CameraServiceAddRequest(camera=camera)
