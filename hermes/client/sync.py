"""The blocking client."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, cast

import grpc

from hermes.client.evidence import Evidence, evidence_of
from hermes.client.frames import (
    FramePicture,
    FrameStream,
    frames_request,
    newest_of,
    snapshot_request,
)
from hermes.client.many import ManyAnswers
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
    connection,
    evidence_request,
    get_request,
    inspect_request,
    list_request,
    probe_request,
    remove_request,
    update_request,
)
from hermes.client.spans import AskedSpan
from hermes.client.streams import AnswerStream
from hermes.client.tls import Tls
from hermes.client.token import Token, bearer
from hermes.client.trace import trace_context
from hermes.client.types import Camera, Freshness, Pacing, camera_of
from hermes.client.watch_calls import WatchCalls
from hermes.contents import MemoryContents
from hermes.contents_message import contents_of
from hermes.question import Turn
from hermes.sampling import Sampling
from hermes.selector import Selector
from hermes.statuses import error_of
from hermes.v1.camera_pb2_grpc import CameraServiceStub
from hermes.v1.event_pb2_grpc import EventServiceStub
from hermes.v1.memory_pb2_grpc import MemoryServiceStub
from hermes.v1.query_pb2_grpc import QueryServiceStub
from hermes.v1.watch_pb2_grpc import WatchServiceStub


class HermesClient(WatchCalls):
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
        """Connect to `address` (host:port), in plain text without `tls` or `credentials`.

        TLS files are read once, here; make a new client after they change.
        `token` is sent with every call as `authorization: Bearer`, and `metadata`
        with every call as it is. `timeout`, in seconds, applies to every
        call but `ask`, `ask_many` and `evidence`.
        """
        self._token = token
        self._metadata = tuple(metadata)
        self._timeout = timeout
        self._peer, credentials, options = connection(address, tls, credentials)
        self._channel = (
            grpc.insecure_channel(address, options=options)
            if credentials is None
            else grpc.secure_channel(address, credentials, options=options)
        )
        self._cameras = cast(Any, CameraServiceStub)(self._channel)
        self._memories = cast(Any, MemoryServiceStub)(self._channel)
        self._queries = cast(Any, QueryServiceStub)(self._channel)
        self._watches = cast(Any, WatchServiceStub)(self._channel)
        self._events = cast(Any, EventServiceStub)(self._channel)

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
    ) -> AnswerStream:
        """Ask about a camera. Returns at once; errors are raised while the answer is read.

        `max_tokens=0` and `timeout=None` leave the limit to the gateway.
        `span`: answer from it alone; `last`, `between` and `in_file` make spans.
        `turns`: earlier questions and answers of this conversation, oldest first.
        `choices`: the answer is one of these texts, and `Answer.choices` has the
        probability of each; `yes_no=True` is short for `["yes", "no"]`.
        `json_schema`: the answer is JSON that keeps it, and `Answer.json()` reads it.
        `regex`: the whole answer matches it.
        `evidence`: how many frames to name on which the answer rests, and
        `evidence_pictures` has their pictures sent.
        `sampling`: how tokens are chosen; by default always the likeliest.
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
        return AnswerStream(call, self._peer, asked)

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
    ) -> ManyAnswers:
        """Ask several cameras the same. Returns at once; events come as the cameras answer.

        `cameras` names them by id, or `selector` selects them by their labels, as in
        `list_cameras`. A camera that does not answer is an event, not an exception: an
        exception means that no camera was asked, or that the call broke off.
        `merge`: have the model write one answer of the cameras' answers; its events have
        the empty camera id. The other arguments are those of `ask`; `timeout` is for all
        cameras together.
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
        return ManyAnswers(call, self._peer, asked)

    def evidence(
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
        response = self._call(self._queries.GetEvidence, request, ASK_TIMEOUT_S)
        return evidence_of(response.evidence)

    def inspect(self, camera_id: str) -> MemoryContents:
        """What the camera's memory holds now, layer by layer. `hermes.picture` draws it."""
        request = inspect_request(camera_id)
        return contents_of(self._call(self._memories.Inspect, request).contents)

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
    ) -> FrameStream:
        """The frames that the camera's memory holds, each with its JPEG if that is kept.

        `start`, `end`: captured then or later, then or earlier. `limit`: at most so many,
        spread over the time; or the newest, if `newest_first`. `timeout`: seconds for all of
        them. Returns at once; errors are raised while the frames are read.
        """
        request = frames_request(camera_id, start, end, limit, newest_first, without_pictures)
        call = self._memories.ListFrames(request, timeout=timeout, metadata=self._sent())
        return FrameStream(call, self._peer)

    def snapshot(self, camera_id: str) -> FramePicture:
        """The picture of the newest frame that the camera's memory has taken in."""
        return newest_of(self._call(self._cameras.Snapshot, snapshot_request(camera_id)))

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
        return camera_of(self._call(self._cameras.Add, request).camera)

    def probe_camera(
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
        return probe_of(self._call(self._cameras.Probe, request))

    def get_camera(self, camera_id: str) -> Camera:
        """The current state of one camera."""
        request = get_request(camera_id)
        return camera_of(self._call(self._cameras.Get, request).camera)

    def list_cameras(self, selector: str = "") -> list[Camera]:
        """The cameras that `selector` selects by their labels, ordered by id; without it, all.

        It is written as Kubernetes writes it: `hermes.selector` has examples.
        """
        request = list_request(selector)
        response = self._call(self._cameras.List, request)
        cameras = [camera_of(info) for info in response.cameras]
        chosen = Selector.parse(selector)  # an older gateway sends all
        return [camera for camera in cameras if chosen.matches(camera.labels)]

    def update_camera(
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
        return camera_of(self._call(self._cameras.Update, request).camera)

    def remove_camera(self, camera_id: str) -> None:
        """Remove a camera with its frames and its memory."""
        self._call(self._cameras.Remove, remove_request(camera_id))

    def close(self) -> None:
        """Close the connection. Open calls are cancelled."""
        self._channel.close()

    def _sent(self) -> Metadata:
        return (*self._metadata, *bearer(self._token), *trace_context())

    def _call(self, method: Any, request: Any, allowed_s: float | None = None) -> Any:
        allowed_s = self._timeout if allowed_s is None else allowed_s
        try:
            return method(request, timeout=allowed_s, metadata=self._sent())
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
