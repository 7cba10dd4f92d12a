"""The permission that each method needs. A method without a rule is not served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hermes.v1.camera_pb2 import CameraServiceListResponse
from services.query_gateway.access.scopes import Action, Caller, shown_id


@dataclass(frozen=True, slots=True)
class Rule:
    """A method's action, and the camera that its request names.

    A method whose requests name no camera is open to every caller; `show` then
    filters the response for what the caller may see, or `filtered` says that the
    servicer does, by `access.viewer`: a caller that may do it on no camera at all is
    then refused. Or the method is about `several` cameras: it checks the right to each
    by itself, with `Rights`. `follows`: the call is sent events or frames as they come.
    `subject`: what else the audit log names.
    """

    action: Action
    camera: Callable[[Any], str] | None = None
    several: bool = False
    show: Callable[[Any, Caller], Any] = lambda response, _: response
    filtered: bool = False
    follows: bool = False
    subject: Callable[[Any], dict[str, str]] = lambda _: {}


def _readable(response: CameraServiceListResponse, caller: Caller) -> CameraServiceListResponse:
    return CameraServiceListResponse(
        cameras=[info for info in response.cameras if caller.may(Action.READ, info.camera.id)]
    )


def _watch_in(request: Any) -> dict[str, str]:
    return {"watch": shown_id(request.watch.id)}


def _watch_id(request: Any) -> dict[str, str]:
    return {"watch": shown_id(request.watch_id)}


def _event_id(request: Any) -> dict[str, str]:
    return {"event_id": shown_id(request.event_id)}


RULES = {
    "/hermes.v1.CameraService/Add": Rule(Action.ADMIN, lambda request: request.camera.id),
    "/hermes.v1.CameraService/Get": Rule(Action.READ, lambda request: request.camera_id),
    "/hermes.v1.CameraService/List": Rule(Action.READ, show=_readable),
    "/hermes.v1.CameraService/Probe": Rule(Action.ADMIN, lambda request: request.camera.id),
    "/hermes.v1.CameraService/Remove": Rule(Action.ADMIN, lambda request: request.camera_id),
    "/hermes.v1.CameraService/Snapshot": Rule(Action.ASK, lambda request: request.camera_id),
    "/hermes.v1.CameraService/Update": Rule(Action.ADMIN, lambda request: request.camera.id),
    "/hermes.v1.EventService/Acknowledge": Rule(Action.ACK, filtered=True, subject=_event_id),
    "/hermes.v1.EventService/Follow": Rule(Action.READ, filtered=True, follows=True),
    "/hermes.v1.EventService/Get": Rule(Action.READ, filtered=True, subject=_event_id),
    "/hermes.v1.EventService/List": Rule(Action.READ, filtered=True),
    "/hermes.v1.MemoryService/Inspect": Rule(Action.READ, lambda request: request.camera_id),
    "/hermes.v1.MemoryService/ListFrames": Rule(
        Action.ASK, lambda request: request.query.camera_id, follows=True
    ),
    "/hermes.v1.QueryService/Ask": Rule(Action.ASK, lambda request: request.question.camera_id),
    "/hermes.v1.QueryService/AskMany": Rule(Action.ASK, several=True),
    "/hermes.v1.QueryService/GetEvidence": Rule(Action.ASK, lambda request: request.camera_id),
    "/hermes.v1.WatchService/Create": Rule(Action.WATCH, filtered=True, subject=_watch_in),
    "/hermes.v1.WatchService/Delete": Rule(Action.WATCH, filtered=True, subject=_watch_id),
    "/hermes.v1.WatchService/Get": Rule(Action.READ, filtered=True, subject=_watch_id),
    "/hermes.v1.WatchService/List": Rule(Action.READ, filtered=True),
    "/hermes.v1.WatchService/Try": Rule(Action.WATCH, filtered=True, subject=_watch_in),
    "/hermes.v1.WatchService/Update": Rule(Action.WATCH, filtered=True, subject=_watch_in),
}
