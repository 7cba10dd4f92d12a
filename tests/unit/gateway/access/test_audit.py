"""Unknown callers cannot fill the log."""

from __future__ import annotations

from types import SimpleNamespace

from structlog.testing import capture_logs

from hermes.errors import Unauthenticated
from hermes.v1.query_pb2 import (
    QueryServiceAskRequest,
    QueryServiceGetEvidenceRequest,
    Question,
)
from services.query_gateway.access.audit import Audit
from services.query_gateway.access.current import CurrentCall
from services.query_gateway.access.scopes import Action, Caller


def test_unknown_callers_are_counted_and_logged_now_and_then() -> None:
    now = 0.0
    audit = Audit(with_questions=False, clock=lambda: now)
    context = SimpleNamespace(peer=lambda: "ipv4:10.0.0.9:1")
    with capture_logs() as lines:
        for second in range(25):
            now = float(second)
            for _ in range(100):
                audit.stranger("/a.B/C", Unauthenticated("the token has expired"), context)
    assert [line["calls"] for line in lines] == [1, 1000, 1000]
    assert lines[0]["peer"] == "ipv4:10.0.0.9:1"
    assert (lines[0]["reason"], lines[0]["why"]) == ("UNAUTHENTICATED", "the token has expired")


def test_the_text_of_questions_is_logged_on_demand_and_evidence_has_none() -> None:
    call = CurrentCall(Caller("token:x", ()))
    context = SimpleNamespace(peer=lambda: "ipv4:10.0.0.9:1", code=lambda: None)
    requests = (
        QueryServiceAskRequest(question=Question(camera_id="lobby", text="Who?")),
        QueryServiceGetEvidenceRequest(camera_id="lobby", answer_id="1-2"),
    )
    for with_questions, texts in ((True, ["Who?", None]), (False, [None, None])):
        audit, call = Audit(with_questions=with_questions), CurrentCall(Caller("token:x", ()))
        with capture_logs() as lines:
            for request in requests:
                with audit.call(call, "/a.B/C", Action.ASK, "lobby", request, context):
                    pass
        assert [line.get("question") for line in lines] == texts


def test_a_call_about_several_cameras_names_all_of_them() -> None:
    context = SimpleNamespace(peer=lambda: "ipv4:10.0.0.9:1")
    call = CurrentCall(Caller("token:x", ()))
    audit = Audit(with_questions=False)
    with capture_logs() as lines, audit.call(call, "/a.B/C", Action.ASK, "", None, context):
        call.cameras, call.denied = ("lobby", "vault"), ("vault",)
    (line,) = lines
    assert (line["who"], line["cameras"], line["denied"]) == (
        "token:x",
        ["lobby", "vault"],
        ["vault"],
    )
    assert "camera" not in line
