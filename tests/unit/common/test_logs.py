from __future__ import annotations

import asyncio
import logging
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator

import pytest

from hermes.v1.camera_pb2 import Camera
from services.common import logs
from tests.support.log_lines import Stderr, lines, logging_to

SECRET = "rtsp://admin:hunter2@10.0.0.7/s"


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[Stderr]:
    with logging_to(capsys) as stderr:
        yield stderr


def test_a_line_is_json_with_what_a_search_needs(stderr: Stderr) -> None:
    logs.configure("hermes-x")
    logs.get("a.b").info("camera_gained", camera="lobby", epoch=17, ok=True, nothing=None)
    (line,) = lines(stderr)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "camera_gained",
        "camera": "lobby",
        "epoch": 17,
        "ok": True,
        "nothing": None,
        "level": "info",
        "logger": "a.b",
        "service": "hermes-x",
    }


def test_the_service_is_named_in_threads_too(stderr: Stderr) -> None:
    logs.configure("hermes-x")
    thread = threading.Thread(target=lambda: logs.get("a").info("x"))
    thread.start()
    thread.join()
    assert lines(stderr)[0]["service"] == "hermes-x"


def test_bound_fields_are_in_every_line_of_the_task(stderr: Stderr) -> None:
    logs.configure("hermes-x")

    async def told(trace_id: str) -> None:
        bound = logs.bind(trace_id=trace_id)
        await asyncio.sleep(0)
        await asyncio.to_thread(logs.get("a").info, trace_id)
        logging.getLogger("b").warning(trace_id)
        logs.unbind(bound)
        logs.get("a").info("free")

    async def both() -> None:
        await asyncio.gather(told("one"), told("two"))

    asyncio.run(both())
    seen = [(line["event"], line.get("trace_id")) for line in lines(stderr)]
    expected = [("one", "one"), ("two", "two"), ("free", None)]
    assert Counter(seen) == Counter(2 * expected)


def test_the_level_holds_for_every_logger(stderr: Stderr) -> None:
    logs.configure("hermes-x", "warning")
    logs.get("a").info("quiet")
    logging.getLogger("b").info("quiet")
    logs.get("a").warning("one")
    logging.getLogger("b").warning("two")
    assert [line["event"] for line in lines(stderr)] == ["one", "two"]


def log_everything() -> None:
    """Log a password in every argument that a log call can have."""
    log = logs.get("a")
    log.info(f"opening {SECRET}")
    log.info("opening %s with %s", SECRET, {"url": SECRET})
    log.info("x", url=SECRET, error=OSError(f"no {SECRET}"), raw=SECRET.encode())
    log.info("x", options={"input": {"urls": [SECRET, (SECRET,)], SECRET: 1}})
    log.info("x", camera=Camera(id="lobby", url=SECRET))
    log.info("x", password="hunter2", db={"password": "hunter2"}, auth_token="hunter2")
    log.bind(url=SECRET).info("x")
    foreign = logging.getLogger("libav")
    foreign.warning("opening %s: %s", SECRET, {"a": SECRET})
    foreign.warning("opening %(url)s", {"url": SECRET})
    foreign.warning(SECRET)
    warnings.warn(f"slow: {SECRET}", stacklevel=1)
    try:
        try:
            raise OSError(f"[Errno 5] I/O error: '{SECRET}'")
        except OSError as error:
            raise ValueError(f"{SECRET} again") from error
    except ValueError:
        log.exception("failed")
        log.warning("failed", exc_info=True)
        foreign.exception("failed with %s", SECRET)
        foreign.error("failed", stack_info=True, exc_info=True)
        sys.excepthook(*sys.exc_info())

    def fail() -> None:
        raise OSError(SECRET)

    thread = threading.Thread(target=fail, name="reader")
    thread.start()
    thread.join()


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.filterwarnings("default")
def test_no_line_holds_a_password(stderr: Stderr, as_json: bool) -> None:
    logs.configure("hermes-x", "debug", json=as_json)
    log_everything()
    text = stderr.getvalue()
    assert "hunter2" not in text
    assert text.count("10.0.0.7/s") > 15
    assert "Traceback" in text
    assert "I/O error" in text
    assert "Remove `format_exc_info`" not in text
    if as_json:
        events = lines(stderr)
        assert len(events) == 17
        assert events[3]["options"]["input"]["urls"][1] == ["rtsp://***@10.0.0.7/s"]
        assert events[-1]["event"] == "uncaught in thread reader"
        assert events[-1]["level"] == "critical"


def test_an_interrupt_is_not_logged_as_a_failure(stderr: Stderr) -> None:
    logs.configure("hermes-x")
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert stderr.getvalue() == ""


def test_secrets_are_masked_before_logging_is_configured(stderr: Stderr) -> None:
    logs.configure_minimal()
    try:
        raise OSError(SECRET)
    except OSError:
        logs.get("a").exception("failed to open %s", SECRET, url=SECRET)
    text = stderr.getvalue()
    assert "hunter2" not in text
    assert text.count("rtsp://***@10.0.0.7/s") == 3
