"""What both clients share: the channel's settings, and the requests that take arguments."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from hermes import errors
from hermes.client.address import check_address
from hermes.client.picture import Picture, picture_message
from hermes.client.question import checked_text, evidence_message
from hermes.client.tls import Tls
from hermes.labels import check_display_name, check_key, check_labels
from hermes.selector import Selector
from hermes.v1 import camera_pb2, memory_pb2, query_pb2

CALL_TIMEOUT_S = 10.0
ASK_TIMEOUT_S = 60.0

Metadata = Sequence[tuple[str, str]]

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Reconnect to a restarted gateway within seconds; gRPC's default is two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]

_PACINGS: dict[str, camera_pb2.Pacing] = {
    "default": camera_pb2.PACING_UNSPECIFIED,
    "live": camera_pb2.PACING_LIVE,
    "as_fast_as_read": camera_pb2.PACING_AS_FAST_AS_READ,
}


def connection(
    address: str, tls: Tls | None, credentials: grpc.ChannelCredentials | None
) -> tuple[str, grpc.ChannelCredentials | None, list[tuple[str, Any]]]:
    """The gateway's name in errors, and the credentials and options of a channel to it.

    Raises `InvalidInput` for what is no address.
    """
    check_address(address, encrypted=tls is not None or credentials is not None)
    if tls is not None:
        credentials = tls.read().credentials()
    how = "in plain text" if credentials is None else "over TLS"
    options = [*OPTIONS, *(() if tls is None else tls.options)]
    return f"the gateway at {address} ({how})", credentials, options


def ask_request(camera_id: str, question: query_pb2.Question) -> query_pb2.QueryServiceAskRequest:
    """The request of `ask`. Raises `InvalidInput` for what cannot be sent."""
    question.camera_id = checked_text("question.camera_id", camera_id)
    return query_pb2.QueryServiceAskRequest(question=question)


def ask_many_request(
    question: query_pb2.Question, cameras: Collection[str], selector: str, merge: bool
) -> query_pb2.QueryServiceAskManyRequest:
    """The request of `ask_many`. Raises `InvalidInput` for what cannot be sent."""
    if isinstance(cameras, str):
        raise errors.InvalidInput("cameras", "is a list of ids, not one id")
    if bool(cameras) == bool(selector):
        raise errors.InvalidInput("cameras", "give either cameras, or a selector of their labels")
    Selector.parse(selector)
    ids = [checked_text("question.cameras.camera_ids", camera_id) for camera_id in cameras]
    question.cameras.CopyFrom(query_pb2.CameraSelector(camera_ids=ids, labels=selector))
    return query_pb2.QueryServiceAskManyRequest(question=question, merge=merge, joined=True)


def evidence_request(
    camera_id: str, answer_id: str, frames: int, pictures: bool
) -> query_pb2.QueryServiceGetEvidenceRequest:
    """The request of `evidence`. Raises `InvalidInput` for what cannot be sent."""
    return query_pb2.QueryServiceGetEvidenceRequest(
        camera_id=checked_text("camera_id", camera_id),
        answer_id=checked_text("answer_id", answer_id),
        evidence=evidence_message(frames, pictures),
    )


def add_request(
    camera_id: str,
    url: str,
    frames_per_second: float,
    chunk_max_frames: int,
    chunk_max_duration_s: float | None,
    pacing: str,
    loop: bool,
    picture: Picture | None = None,
    labels: Mapping[str, str] | None = None,
    display_name: str = "",
) -> camera_pb2.CameraServiceAddRequest:
    """The request of `add_camera`. Raises `InvalidInput` for values that cannot be sent."""
    if pacing not in _PACINGS:
        raise errors.InvalidInput("camera.pacing", f"is one of {', '.join(_PACINGS)}")
    if not 0 <= chunk_max_frames < 2**32:
        raise errors.InvalidInput("camera.sampling.chunk_max_frames", "must be 0 or more")
    checked_text("camera.id", camera_id)
    checked_text("camera.url", url)
    check_labels(labels or {})
    check_display_name(display_name)
    sampling = camera_pb2.Sampling(
        frames_per_second=frames_per_second, chunk_max_frames=chunk_max_frames
    )
    if chunk_max_duration_s is not None:
        duration = Duration()
        duration.FromNanoseconds(round(chunk_max_duration_s * 1e9))
        sampling.chunk_max_duration.CopyFrom(duration)
    camera = camera_pb2.Camera(
        id=camera_id,
        url=url,
        sampling=sampling,
        pacing=_PACINGS[pacing],
        loop=loop,
        labels=labels or {},
        display_name=display_name,
    )
    if picture is not None and picture != Picture():
        camera.picture.CopyFrom(picture_message(picture))
    return camera_pb2.CameraServiceAddRequest(camera=camera)


def probe_request(
    url: str, camera_id: str, frames_per_second: float, picture: Picture | None, thumbnail: bool
) -> camera_pb2.CameraServiceProbeRequest:
    """The request of `probe_camera`. Raises `InvalidInput` for values that cannot be sent."""
    added = add_request(camera_id, url, frames_per_second, 0, None, "default", False, picture)
    return camera_pb2.CameraServiceProbeRequest(camera=added.camera, thumbnail=thumbnail)


def get_request(camera_id: str) -> camera_pb2.CameraServiceGetRequest:
    """The request of `get_camera`. Raises `InvalidInput` for what cannot be sent."""
    return camera_pb2.CameraServiceGetRequest(camera_id=checked_text("camera_id", camera_id))


def list_request(selector: str) -> camera_pb2.CameraServiceListRequest:
    """The request of `list_cameras`. Raises `InvalidInput` for what is no selector."""
    Selector.parse(selector)
    return camera_pb2.CameraServiceListRequest(selector=selector)


def update_request(
    camera_id: str,
    labels: Mapping[str, str] | None,
    put_labels: Mapping[str, str] | None,
    remove_labels: Collection[str],
    display_name: str | None,
) -> camera_pb2.CameraServiceUpdateRequest:
    """The request of `update_camera`. Raises `InvalidInput` for values that cannot be sent."""
    camera = camera_pb2.Camera(id=checked_text("camera.id", camera_id))
    request = camera_pb2.CameraServiceUpdateRequest(camera=camera, update_mask=FieldMask())
    if labels is not None:
        check_labels(labels)
        request.camera.labels.update(labels)
        request.update_mask.paths.append("labels")
    if display_name is not None:
        check_display_name(display_name)
        request.camera.display_name = display_name
        request.update_mask.paths.append("display_name")
    check_labels(put_labels or {}, "put_labels")
    request.put_labels.update(put_labels or {})
    for key in remove_labels:
        check_key(key, "remove_labels")
        request.remove_labels.append(key)
    return request


def remove_request(camera_id: str) -> camera_pb2.CameraServiceRemoveRequest:
    """The request of `remove_camera`. Raises `InvalidInput` for what cannot be sent."""
    return camera_pb2.CameraServiceRemoveRequest(camera_id=checked_text("camera_id", camera_id))


def inspect_request(camera_id: str) -> memory_pb2.MemoryServiceInspectRequest:
    """The request of `inspect`. Raises `InvalidInput` for what cannot be sent."""
    return memory_pb2.MemoryServiceInspectRequest(camera_id=checked_text("camera_id", camera_id))
