"""What the notifier reads: its file of sinks, answers of receivers, entries of the stream."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hermes.errors import InvalidInput
from services.notifier.alerts import alert
from services.notifier.cloud_event import cloud_event
from services.notifier.http_post import read_reply
from services.notifier.message import Unreadable, parse
from services.notifier.mqtt_payloads import Topics, discoveries, event_payload, state
from services.notifier.sink import Failed, Refused
from services.notifier.sinks_file import read_sinks
from tests.fuzz.target import Target
from tests.support import events

SECRET = "hunter2"
FILE = b"""\
sinks:
  - {name: oncall, kind: alertmanager, url: "http://am:9093", allow_private: true, least_s: 5}
  - name: app
    kind: webhook
    url: https://me:hunter2@app.example/hook
    secret_file: app.secret
  - {name: home, kind: mqtt, host: broker, tls: true, discovery: true, prefix: a/b}
"""
REPLY = b"""\
HTTP/1.1 503 Unavailable\r\nRetry-After: 120\r\nContent-Length: 16\r\n\r\nknown: hunter2 !\
"""
TOPICS = Topics("hermes", "homeassistant")


def _read_file(data: bytes) -> str:
    with tempfile.TemporaryDirectory(prefix="hermes-fuzz-") as folder:
        path = Path(folder) / "sinks.yaml"
        path.write_bytes(data)
        try:
            return f"{min(len(read_sinks(path)), 3)} sinks"
        except InvalidInput as error:
            said = str(error).replace(folder, "")
            assert SECRET not in said
            return "".join(c for c in said if not c.isdigit())[:80]


def _read_reply(data: bytes) -> str:
    async def read() -> str:
        reader = asyncio.StreamReader(limit=32 << 10)
        reader.feed_data(data)
        reader.feed_eof()
        try:
            reply = await read_reply(reader, (SECRET,))
            reply.check()
        except (Failed, Refused) as error:
            said = str(error)[:40]
            assert SECRET not in said
            return said
        assert reply.retry_after_s >= 0
        return "accepted"

    return asyncio.run(read())


def _read_entry(data: bytes) -> str:
    try:
        message = parse("1800000000000-0", {b"e": data})
    except Unreadable as error:
        return str(error)[:40]
    event, over = message.event, message.over
    cloud_event(message, "/hermes", 1000)
    alert(event, "https://x/{event}", 1 if over else None)
    event_payload(message.type, event, event, over=over, was_over=over)
    found = discoveries(event, TOPICS, number=over)
    return f"{message.type} {state(event, over=over)['state']} {len(found)}"


SINKS = Target("sinks", lambda: [FILE, b"", b"sinks: []"], _read_file)
REPLIES = Target(
    "replies",
    lambda: [REPLY, b"HTTP/1.1 204 No Content\r\n\r\n"],
    _read_reply,
    words=(b"\r\n\r\n", b"HTTP/1.1 ", b"100", b"Retry-After: ", b"Transfer-Encoding: chunked"),
)
EVENTS = Target(
    "events",
    lambda: [
        events.opened().SerializeToString(),
        events.closed(events.opened()).SerializeToString(),
    ],
    _read_entry,
)
