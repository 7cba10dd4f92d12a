"""What people write: a configuration, settings, URLs of cameras."""

from __future__ import annotations

import contextlib
import io
import math
import os
import tempfile
from pathlib import Path
from unittest import mock
from urllib.parse import quote, unquote_to_bytes, urlsplit

from hermes.errors import InvalidInput
from hermes.selector import MAX_SELECTOR_CHARS, Selector
from services.cli.config import camera_of_flag, read_config
from services.common.camera_url import CameraUrl
from services.common.cameras import SourcePolicy, check_url, is_file
from services.common.redaction import redact, secrets_of
from services.common.settings import ServiceSettings, load
from services.decoder.settings import DecoderSettings
from services.hermes_worker.settings import WorkerSettings
from services.query_gateway.settings import GatewaySettings
from tests.fuzz.target import Target

SECRET = "hunter2"
YAML = b"""\
model: demo
device: cuda
listen: 127.0.0.1:50051
media_root: /srv/video
budget_tokens: 4000
frames_per_second: 0.5
cameras:
  - id: lobby
    url: rtsp://user:hunter2@10.0.0.7/stream1
  - {id: dock, url: /srv/video/dock.mp4, fps: 1, pacing: live, loop: true}
"""


def _read_config(data: bytes) -> str:
    with tempfile.TemporaryDirectory(prefix="hermes-fuzz-") as folder:
        path = Path(folder) / "hermes.yaml"
        path.write_bytes(data)
        try:
            config = read_config(path)
        except InvalidInput as error:
            said = str(error).replace(folder, "")
            assert SECRET not in said
            return "".join(c for c in said if not c.isdigit())[:80]
    for rate in (config.frames_per_second, *(camera.fps for camera in config.cameras)):
        assert math.isfinite(rate)
    return f"{len(config.cameras)} cameras"


SERVICES: dict[str, type[ServiceSettings]] = {
    "decoder": DecoderSettings,
    "worker": WorkerSettings,
    "gateway": GatewaySettings,
}


def _settings() -> list[bytes]:
    """A service, and a variable a line with its default."""
    made = []
    for name, kind in SERVICES.items():
        lines = [f"HERMES_{key.upper()}={value}" for key, value in kind().model_dump().items()]
        made.append("\n".join([name, *lines]).encode())
    made.append(b"worker\nHERMES_REDIS_URL=redis://user:hunter2@redis:6379/0?socket_timeout=1")
    return made


def _read_settings(data: bytes) -> str:
    name, *lines = data.decode("utf-8", "surrogateescape").replace("\0", "").split("\n")
    kind = SERVICES.get(name, WorkerSettings)
    pairs = (line.split("=", 1) for line in lines if "=" in line[1:] and line[0] != "=")
    said = io.StringIO()
    with mock.patch.dict(os.environ, dict(pairs), clear=True):
        try:
            with contextlib.redirect_stderr(said):
                settings = load(kind, name, [])
        except SystemExit as end:
            if end.code != 2 or not said.getvalue() or SECRET in said.getvalue():
                raise ValueError(f"ended with {end.code}, saying {said.getvalue()!r}") from None
            return "".join(c for c in said.getvalue()[80:] if not c.isdigit())[:80]
    assert SECRET not in str(settings.shown())
    for key, value in settings:
        assert not isinstance(value, float) or math.isfinite(value), key
    return name


URLS_GOOD = (
    b"rtsp://user:hunter2@10.0.0.7:554/stream1?x=1",
    b"rtsps://[::1]:322/a b",
    b"rtsp://user:p@ss:w/o#r?d%hunter2@camera.example:554/live#backchannel=0",
    b"https://user@example.com/live.m3u8?token=hunter2",
    b"file:///srv/video/dock%20one.mp4",
    b"dock.mp4",
    b"lobby=rtsp://user:hunter2@10.0.0.7/1",
)
ROOT = Path("/srv/video")


def _read_url(data: bytes) -> str:
    url = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(InvalidInput):
        camera_of_flag(url)
    try:
        check_url(url, SourcePolicy(ROOT))
    except InvalidInput as error:
        said = str(error)
        return "".join(c for c in said if not c.isdigit())[:60]
    secrets_of(url)
    if is_file(url):
        return "file"
    read = CameraUrl.read(url)
    parts = urlsplit(read.encoded)
    assert parts.hostname
    assert (parts.port or 1) < 65536
    assert (parts.password or "") == quote(unquote_to_bytes(_password(read)), safe="!$&'()*+,;=")
    assert not _password(read) or f":{_password(read)}@" not in redact(url)
    return parts.scheme


def _password(url: CameraUrl) -> str:
    return (url.credentials or "").partition(":")[2]


SELECTORS_GOOD = (
    b"site=dock,floor!=2",
    b"site in (dock, yard),!roof,example.com/floor notin (1,,2)",
)


def _read_selector(data: bytes) -> str:
    text = data.decode("utf-8", "surrogateescape")
    try:
        selector = Selector.parse(text)
    except InvalidInput as error:
        str(error).encode()
        return "".join(c for c in str(error) if not c.isdigit())[:40]
    written = str(selector)
    assert len(written) > MAX_SELECTOR_CHARS or Selector.parse(written) == selector
    return f"{len(selector.requirements)} requirements"


CONFIG = Target(
    "config",
    lambda: [YAML, b"", b"cameras: []"],
    _read_config,
    words=(
        *(b"!!float ", b"!!int ", b"!!timestamp ", b"!!binary ", b"!!set ", b"!!python/name:os "),
        *(
            b"&a ",
            b"*a",
            b"<<: ",
            b"? ",
            b"[",
            b"{",
            b"- ",
            b": ",
            b"\n",
            b"---\n",
            b"...\n",
            b"|\n",
        ),
        *(
            b".nan",
            b".inf",
            b"2001-99-99",
            b"0o9",
            b"1:60:60",
            b"null",
            b"1" * 5000,
            b"\t",
            b"%TAG",
        ),
    ),
)
SETTINGS = Target(
    "settings",
    _settings,
    _read_settings,
    words=(
        *(b"nan", b"inf", b"-1", b"1e999", b"0", b"1" * 5000, b"true", b"[", b"{}", b"null", b"\n"),
        *(b"\xff", b"=", b"://", b"@", b"]", b"[::1", b":99999", b"%", b"x", b"~nobody/", b"\t"),
    ),
)
SELECTORS = Target(
    "selectors",
    lambda: list(SELECTORS_GOOD),
    _read_selector,
    words=(*(b"=", b"==", b"!=", b"!", b"(", b")", b",", b" in ", b" notin ", b"a/", b"\xc3\xa9"),),
)
URLS = Target(
    "urls",
    lambda: list(URLS_GOOD),
    _read_url,
    words=(
        *(
            b"://",
            b"@",
            b":",
            b"/",
            b"?",
            b"#",
            b"%00",
            b"%2e%2e",
            b"..",
            b"[",
            b"]",
            b"[::1]",
            b"\\",
        ),
        *(
            b"\xe2\x84\x80",
            b"\xff",
            b"\xed\xa0\x80",
            b"file:",
            b"FILE://",
            b":99999",
            b"hunter2",
            b" ",
        ),
        *(b"a" * 255, b"a/" * 1000, b"\xef\xbc\x8f", b"~", b"localhost", b"rtsp", b"=", b"&token="),
    ),
)
