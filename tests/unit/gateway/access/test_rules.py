"""Every method that the gateway can serve has a rule, and a rule finds the camera."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import message_factory

from hermes.v1 import camera_pb2, memory_pb2, query_pb2
from services.query_gateway.access.rules import RULES, Rule
from services.query_gateway.access.scopes import Action, Caller, Scope
from tests.support.api import METHODS


def test_every_method_has_a_rule_and_every_rule_a_method() -> None:
    assert RULES.keys() == METHODS.keys()
    assert not [name for name, method in METHODS.items() if method.client_streaming]


@pytest.mark.parametrize("name", METHODS)
def test_a_rule_names_the_camera_or_hides_what_is_not_the_callers(name: str) -> None:
    rule, method = RULES[name], METHODS[name]
    request: Any = message_factory.GetMessageClass(method.input_type)()
    if rule.several:
        assert (rule.camera, name) == (None, "/hermes.v1.QueryService/AskMany")
        return
    if rule.camera is None:
        assert rule.show is not Rule(rule.action).show
        return
    assert rule.camera(request) == ""
    if method.input_type.name == "QueryServiceAskRequest":
        request.question.camera_id = "lobby"
    elif any(field.name == "camera" for field in method.input_type.fields):
        request.camera.id = "lobby"
    elif any(field.name == "query" for field in method.input_type.fields):
        request.query.camera_id = "lobby"
    else:
        request.camera_id = "lobby"
    assert rule.camera(request) == "lobby"


def test_actions() -> None:
    by_action = {action: set[str]() for action in Action}
    for name, rule in RULES.items():
        by_action[rule.action].add(name.rsplit("/", 1)[1])
    assert by_action == {
        Action.ASK: {"Ask", "AskMany", "GetEvidence", "ListFrames", "Snapshot"},
        Action.READ: {"Get", "List", "Inspect"},
        Action.ADMIN: {"Add", "Update", "Remove", "Probe"},
    }


def test_a_list_shows_what_the_caller_may_read() -> None:
    ids = ("dock-1", "dock-2", "lobby", "yard")
    response = camera_pb2.CameraServiceListResponse(
        cameras=[camera_pb2.CameraInfo(camera=camera_pb2.Camera(id=id_)) for id_ in ids]
    )
    scopes = tuple(map(Scope.parse, ("read:dock-*", "ask:lobby", "read:yard")))
    shown = RULES["/hermes.v1.CameraService/List"].show(response, Caller("token:x", scopes))
    assert [info.camera.id for info in shown.cameras] == ["dock-1", "dock-2", "yard"]


def test_the_rules_name_the_services_of_the_protos() -> None:
    packages = (camera_pb2, memory_pb2, query_pb2)
    named = {s.full_name for p in packages for s in p.DESCRIPTOR.services_by_name.values()}
    assert {name.split("/")[1] for name in METHODS} == named
