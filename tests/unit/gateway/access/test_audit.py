"""Unknown callers cannot fill the log."""

from __future__ import annotations

from types import SimpleNamespace

from structlog.testing import capture_logs

from hermes.errors import Unauthenticated
from services.query_gateway.access.audit import Audit


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
