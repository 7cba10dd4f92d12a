"""The client for asyncio."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import grpc

from hermes.client.connection import AsyncConnection
from hermes.client.evidence import Evidence, evidence_of
from hermes.client.frames import (
    AsyncFrameStream,
    FramePicture,
    frames_request,
    newest_of,
    snapshot_request,
)
from hermes.client.many import AsyncManyAnswers
from hermes.client.picture import Picture
from hermes.client.probe import Probe, probe_of
from hermes.client.question import Schema, question_message
from hermes.client.requests import (
    ASK_TIMEOUT_S,
    CALL_TIMEOUT_S,
    Metadata,
    add_request,
    ask_many_request,
    ask_request,
    evidence_request,
    get_request,
    inspect_request,
    list_request,
    probe_request,
    remove_request,
    update_request,
)
from hermes.client.spans import AskedSpan
from hermes.client.streams import AsyncAnswerStream
from hermes.client.tls import Tls
from hermes.client.token import Token, bearer
from hermes.client.trace import trace_context
from hermes.client.types import Camera, Freshness, Pacing, camera_of
from hermes.client.watch_calls import AsyncWatchCalls
from hermes.contents import MemoryContents
from hermes.contents_message import contents_of
from hermes.question import Turn
from hermes.sampling import Sampling
from hermes.selector import Selector
from hermes.statuses import error_of


class AsyncHermesClient(AsyncWatchCalls):
    """Client for asyncio, with the same calls. Belongs to the loop that it is made in."""

    def __init__(
        self,
        address: str | AsyncConnection,
        *,
        tls: Tls | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        metadata: Metadata = (),
        timeout: float = CALL_TIMEOUT_S,
    ) -> None:
        """Connect to `address`, or use a connection that others use, too, and do not close it.

        The arguments are those of `HermesClient`; a given connection has its own TLS.
        """
        self._token = token
        self._metadata = tuple(metadata)
        self._timeout = timeout
        self._own: AsyncConnection | None = None
        if isinstance(address, str):
            address = self._own = AsyncConnection(address, tls=tls, credentials=credentials)
        self._peer = address.peer
        self._cameras = address.cameras
        self._memories = address.memories
        self._queries = address.queries
        self._watches = address.watches
        self._events = address.events

    def ask(
        self,
        camera_id: str,
        question: str,
        *,
        max_tokens: int = 0,
        freshness: Freshness = "latest",
        span: AskedSpan | None = None,
        turns: Sequence[Turn] = (),
        choices: Sequence[str] = (),
        yes_no: bool = False,
        json_schema: Schema | None = None,
        regex: str | None = None,
        evidence: int = 0,
        evidence_pictures: bool = False,
        sampling: Sampling | None = None,
        timeout: float | None = ASK_TIMEOUT_S,
    ) -> AsyncAnswerStream:
        """Ask about a camera. Returns at once; errors are raised while the answer is read.

        The arguments are those of `HermesClient.ask`.
        """
        asked = question_message(
            question,
            max_tokens=max_tokens,
            freshness=freshness,
            span=span,
            turns=turns,
            choices=choices,
            yes_no=yes_no,
            json_schema=json_schema,
            regex=regex,
            evidence=evidence,
            evidence_pictures=evidence_pictures,
            sampling=sampling,
        )
        request = ask_request(camera_id, asked)
        call = self._queries.Ask(request, timeout=timeout, metadata=self._sent())
        return AsyncAnswerStream(call, self._peer, asked)

    def ask_many(
        self,
        question: str,
        *,
        cameras: Collection[str] = (),
        selector: str = "",
        merge: bool = False,
        max_tokens: int = 0,
        freshness: Freshness = "latest",
        span: AskedSpan | None = None,
        turns: Sequence[Turn] = (),
        choices: Sequence[str] = (),
        yes_no: bool = False,
        json_schema: Schema | None = None,
        regex: str | None = None,
        evidence: int = 0,
        evidence_pictures: bool = False,
        sampling: Sampling | None = None,
        timeout: float | None = ASK_TIMEOUT_S,
    ) -> AsyncManyAnswers:
        """Ask several cameras the same. Returns at once; events come as the cameras answer.

        The arguments are those of `HermesClient.ask_many`.
        """
        asked = question_message(
            question,
            max_tokens=max_tokens,
            freshness=freshness,
            span=span,
            turns=turns,
            choices=choices,
            yes_no=yes_no,
            json_schema=json_schema,
            regex=regex,
            evidence=evidence,
            evidence_pictures=evidence_pictures,
            sampling=sampling,
        )
        request = ask_many_request(asked, cameras, selector, merge)
        call = self._queries.AskMany(request, timeout=timeout, metadata=self._sent())
        return AsyncManyAnswers(call, self._peer, asked)

    async def evidence(
        self,
        camera_id: str,
        answer_id: str,
        frames: int = 3,
        *,
        pictures: bool = False,
    ) -> Evidence:
        """The frames that an answer rests on, up to a minute after it was given.

        `answer_id` is the answer's own, and `frames` the most that are named.
        """
        request = evidence_request(camera_id, answer_id, frames, pictures)
        response = await self._call(self._queries.GetEvidence, request, ASK_TIMEOUT_S)
        return evidence_of(response.evidence)

    async def inspect(self, camera_id: str) -> MemoryContents:
        """What the camera's memory holds now, layer by layer."""
        request = inspect_request(camera_id)
        return contents_of((await self._call(self._memories.Inspect, request)).contents)

    def frames(
        self,
        camera_id: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 0,
        newest_first: bool = False,
        without_pictures: bool = False,
        timeout: float | None = ASK_TIMEOUT_S,
    ) -> AsyncFrameStream:
        """The frames that the camera's memory holds, each with its JPEG if that is kept.

        `start`, `end`: captured then or later, then or earlier. `limit`: at most so many,
        spread over the time; or the newest, if `newest_first`. `timeout`: seconds for all of
        them. Returns at once; errors are raised while the frames are read.
        """
        request = frames_request(camera_id, start, end, limit, newest_first, without_pictures)
        call = self._memories.ListFrames(request, timeout=timeout, metadata=self._sent())
        return AsyncFrameStream(call, self._peer)

    async def snapshot(self, camera_id: str) -> FramePicture:
        """The picture of the newest frame that the camera's memory has taken in."""
        return newest_of(await self._call(self._cameras.Snapshot, snapshot_request(camera_id)))

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
        picture: Picture | None = None,
        labels: Mapping[str, str] | None = None,
        display_name: str = "",
    ) -> Camera:
        """Register a camera. Zeros mean the deployment's defaults."""
        request = add_request(
            camera_id,
            url,
            frames_per_second,
            chunk_max_frames,
            chunk_max_duration_s,
            pacing,
            loop,
            picture,
            labels,
            display_name,
        )
        return camera_of((await self._call(self._cameras.Add, request)).camera)

    async def probe_camera(
        self,
        url: str,
        *,
        camera_id: str = "",
        frames_per_second: float = 0.0,
        picture: Picture | None = None,
        thumbnail: bool = False,
    ) -> Probe:
        """Open a source once and see what it is; adds nothing. Takes up to nine seconds.

        `camera_id`: only for callers that may not add every camera.
        """
        request = probe_request(url, camera_id, frames_per_second, picture, thumbnail)
        return probe_of(await self._call(self._cameras.Probe, request))

    async def get_camera(self, camera_id: str) -> Camera:
        """The current state of one camera."""
        request = get_request(camera_id)
        return camera_of((await self._call(self._cameras.Get, request)).camera)

    async def list_cameras(self, selector: str = "") -> list[Camera]:
        """The cameras that `selector` selects by their labels, ordered by id; without it, all.

        It is written as Kubernetes writes it: `hermes.selector` has examples.
        """
        request = list_request(selector)
        response = await self._call(self._cameras.List, request)
        cameras = [camera_of(info) for info in response.cameras]
        chosen = Selector.parse(selector)  # an older gateway sends all
        return [camera for camera in cameras if chosen.matches(camera.labels)]

    async def update_camera(
        self,
        camera_id: str,
        *,
        labels: Mapping[str, str] | None = None,
        put_labels: Mapping[str, str] | None = None,
        remove_labels: Collection[str] = (),
        display_name: str | None = None,
    ) -> Camera:
        """Change a camera's labels and its display name; it keeps its memory.

        `labels` replaces all labels. `put_labels` and `remove_labels` change single
        ones, in one step.
        """
        request = update_request(camera_id, labels, put_labels, remove_labels, display_name)
        return camera_of((await self._call(self._cameras.Update, request)).camera)

    async def remove_camera(self, camera_id: str) -> None:
        """Remove a camera with its frames and its memory."""
        await self._call(self._cameras.Remove, remove_request(camera_id))

    async def close(self) -> None:
        """Close the connection, if it is this client's own. Open calls are cancelled."""
        if self._own is not None:
            await self._own.close()

    def _sent(self) -> Metadata:
        return (*self._metadata, *bearer(self._token), *trace_context())

    async def _call(self, method: Any, request: Any, allowed_s: float | None = None) -> Any:
        allowed_s = self._timeout if allowed_s is None else allowed_s
        try:
            return await method(request, timeout=allowed_s, metadata=self._sent())
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
