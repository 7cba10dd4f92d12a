"""What a camera may be: the rules its description must meet, wherever it comes from."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from hermes.errors import InvalidInput
from hermes.labels import check_display_name, check_labels
from hermes.v1.camera_pb2 import (
    PACING_AS_FAST_AS_READ,
    PACING_LIVE,
    PACING_UNSPECIFIED,
    TRANSPORT_UDP,
    Camera,
)
from services.common.camera_url import Ambiguous, CameraUrl
from services.common.go2rtc import transport_of
from services.common.picture_check import check_picture
from services.common.redaction import MASK, lacks_scheme, redact
from services.common.url_hints import (
    ENCODE,
    instead_of,
    mistake_in,
    nearest_scheme,
    unread_format,
)

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_URL_LENGTH = 2048
MAX_FRAMES_PER_SECOND = 30.0
MAX_CHUNK_FRAMES = 64
MAX_CHUNK_DURATION_S = 60.0

_DEVICE = re.compile(r"(?i:v4l2):(/dev/video[0-9]{1,3})")

NETWORK_PROTOCOLS = frozenset({"rtsp", "rtsps", "http", "https"})
"""What a camera's URL may start with by default. Files and local devices are cases
of their own."""

OPTIONAL_PROTOCOLS = frozenset({"rtmp", "rtmps"})
"""What it may start with besides, where the operator adds them."""

ALL_PROTOCOLS = NETWORK_PROTOCOLS | OPTIONAL_PROTOCOLS

MAX_RTSP_CREDENTIALS = 127
"""Characters of user, colon and password, encoded. FFmpeg sends no longer ones over RTSP."""

RTSPS_BY_UDP = "rtsps:// goes over TCP alone; write rtsp:// to use UDP, which is not encrypted"


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """Which sources may be opened.

    `media_root`: the folder below which local files may be read; None refuses
    every local file. `protocols`: the network protocols that are allowed.
    `local_devices`: whether cameras may be devices of the decoder's machine.
    """

    media_root: Path | None = None
    protocols: frozenset[str] = field(default=NETWORK_PROTOCOLS)
    local_devices: bool = False


def check_id(camera_id: str, field_name: str = "camera_id") -> str:
    """The id, if it is one. Raises `InvalidInput`."""
    if not ID_PATTERN.fullmatch(camera_id):
        raise InvalidInput(
            field_name,
            "must be 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit",
        )
    return camera_id


def is_file(url: str) -> bool:
    """Whether the URL names a local file: `file://` or a bare path."""
    return not is_device(url) and ("://" not in url or url.lower().startswith("file:"))


def is_device(url: str) -> bool:
    """Whether the URL names a camera that is plugged into the decoder's machine."""
    return url.lower().startswith("v4l2:")


def device_path(url: str) -> str:
    """The path of such a camera. Raises `InvalidInput`."""
    match = _DEVICE.fullmatch(url)
    if match is None:
        raise InvalidInput("camera.url", "names no camera of the machine: write v4l2:/dev/video0")
    return match[1]


def is_rtsp(url: str) -> bool:
    """Whether the URL is `rtsp://` or `rtsps://`."""
    return url.lower().startswith(("rtsp://", "rtsps://"))


def check(camera: Camera, policy: SourcePolicy) -> Camera:
    """The camera, if it can be taken as described. Raises `InvalidInput` naming the field."""
    check_id(camera.id, "camera.id")
    check_url(camera.url, policy)
    check_sampling(camera)
    check_labels(camera.labels)
    check_display_name(camera.display_name)
    if camera.pacing not in (PACING_UNSPECIFIED, PACING_LIVE, PACING_AS_FAST_AS_READ):
        raise InvalidInput("camera.pacing", "is not a known pacing")
    check_picture(camera.picture, rtsp=is_rtsp(camera.url))
    if camera.picture.transport == TRANSPORT_UDP and camera.url.lower().startswith("rtsps:"):
        raise InvalidInput("camera.picture.transport", RTSPS_BY_UDP)
    if not is_file(camera.url):
        if camera.loop:
            raise InvalidInput("camera.loop", "only a file can be started again at its end")
        if camera.pacing == PACING_AS_FAST_AS_READ:
            raise InvalidInput("camera.pacing", "a network source sets its own pace: use LIVE")
    return camera


def check_sampling(camera: Camera) -> None:
    """Whether the camera's frames can be sampled as described. Raises `InvalidInput`."""
    sampling = camera.sampling
    if not 0 <= sampling.frames_per_second <= MAX_FRAMES_PER_SECOND:  # refuses NaN as well
        raise InvalidInput(
            "camera.sampling.frames_per_second",
            f"must be between 0 (the default) and {MAX_FRAMES_PER_SECOND:g}",
        )
    if sampling.chunk_max_frames > MAX_CHUNK_FRAMES:
        raise InvalidInput("camera.sampling.chunk_max_frames", f"at most {MAX_CHUNK_FRAMES}")
    duration = sampling.chunk_max_duration
    if not 0 <= duration.seconds + duration.nanos / 1e9 <= MAX_CHUNK_DURATION_S:
        raise InvalidInput(
            "camera.sampling.chunk_max_duration",
            f"must be between 0 (the default) and {MAX_CHUNK_DURATION_S:g} s",
        )


def check_url(url: str, policy: SourcePolicy) -> None:
    """Refuse a source that must not be opened. Raises `InvalidInput`, without credentials."""
    if not url:
        raise InvalidInput("camera.url", "is empty; give rtsp://, http(s):// or a file")
    if len(url) > MAX_URL_LENGTH:
        raise InvalidInput("camera.url", f"is longer than {MAX_URL_LENGTH} characters")
    _refuse_control_characters(url)
    if is_device(url):
        if not policy.local_devices:
            raise InvalidInput(
                "camera.url",
                "local devices (v4l2) are not enabled here; the operator can allow them"
                " (--local-devices of gateway and decoder)",
            )
        device_path(url)
        return
    if (mistake := mistake_in(url)) is not None:
        raise InvalidInput("camera.url", mistake)
    if lacks_scheme(url):
        raise InvalidInput(
            "camera.url",
            "is a URL without a scheme; write rtsp://, rtsps://, http:// or https:// before it"
            " (or ./ before the name of a file)",
        )
    if is_file(url):
        resolve_file(url, policy)
        return
    if url != url.strip():
        raise InvalidInput("camera.url", "begins or ends with a space; leave it out")
    if any(character.isspace() for character in url):
        raise InvalidInput("camera.url", "holds a space; in a URL it is written %20")
    try:
        read = CameraUrl.read(url)
        parts = urlsplit(read.encoded)
        host = parts.hostname
        _ = parts.port  # raises ValueError if it is no number
    except Ambiguous:
        raise InvalidInput(
            "camera.url", f"can be read in two ways: an @ follows a / ? or #; {ENCODE}"
        ) from None
    except ValueError:
        hint = f"; {ENCODE}" if "@" in url else ""
        raise InvalidInput("camera.url", f"{redact(url)!r} cannot be read as a URL{hint}") from None
    if parts.scheme.lower() not in policy.protocols:
        raise InvalidInput("camera.url", _not_allowed(parts.scheme, policy))
    if not host:
        hint = "; two slashes and the host follow the colon" if not parts.netloc else ""
        raise InvalidInput("camera.url", f"{redact(url)!r} names no host{hint}")
    if "@" in parts.fragment:
        raise InvalidInput("camera.url", f"{redact(url)!r} holds a # before an @; {ENCODE}")
    if "%" in host and ":" in host:
        raise InvalidInput(
            "camera.url",
            "holds an IPv6 address with a zone (after a %), which means something on one machine"
            " alone; give the camera's global or unique local address, or its name",
        )
    if (words := unread_format(host, parts.path)) is not None:
        raise InvalidInput("camera.url", words)
    if parts.scheme in ("rtsp", "rtsps"):
        _check_rtsp(read, parts.fragment)


def _check_rtsp(url: CameraUrl, fragment: str) -> None:
    if (url.credentials or "").startswith("${sealed:"):
        return  # it was checked before, and what follows a # is masked
    transport = transport_of(fragment)
    if url.scheme == "rtsps" and transport == TRANSPORT_UDP:
        raise InvalidInput("camera.url", RTSPS_BY_UDP)
    if len(url.encoded_credentials) > MAX_RTSP_CREDENTIALS:
        raise InvalidInput(
            "camera.url",
            f"has a user and a password of more than {MAX_RTSP_CREDENTIALS} characters together,"
            " of which @ : / ? # % count for three each; give the camera a shorter password",
        )


def _not_allowed(scheme: str, policy: SourcePolicy) -> str:
    if not scheme:
        return "has no protocol before ://; write rtsp://, rtsps://, http:// or https://"
    if (words := instead_of(scheme)) is not None:
        return f"protocol {scheme!r} is not allowed; {words}"
    near = nearest_scheme(scheme, policy.protocols)
    meant = f" (did you mean {near}://?)" if near else ""
    allowed = ", ".join(sorted(policy.protocols))
    return f"protocol {scheme!r} is not allowed{meant}; use one of {allowed}, or a file"


def resolve_file(url: str, policy: SourcePolicy) -> Path:
    """The path of a local source, below the media folder. Raises `InvalidInput`.

    The check is made on the resolved path, so that neither `..` nor a link
    leads out of the folder. That the file exists is not checked: it may lie on
    another machine.
    """
    if policy.media_root is None:
        raise InvalidInput(
            "camera.url",
            "local files are not enabled here (no media folder is set);"
            " a URL begins with rtsp://, rtsps://, http:// or https://",
        )
    path = url
    if url.lower().startswith("file:"):
        try:
            parts = urlsplit(url)
        except ValueError:
            raise InvalidInput("camera.url", "cannot be read as a file:// URL") from None
        if parts.netloc not in ("", "localhost"):
            raise InvalidInput("camera.url", "a file:// URL has three slashes and no host")
        path = unquote(parts.path)
        _refuse_control_characters(path)  # %00 is one
    root = policy.media_root.resolve()
    try:
        resolved = (root / PurePosixPath(path)).resolve()
    except (OSError, RuntimeError, ValueError):  # links that run in a circle, names too long
        raise InvalidInput("camera.url", "names a file that cannot be") from None
    if not resolved.is_relative_to(root) or resolved == root:
        raise InvalidInput("camera.url", "names a file outside the media folder")
    return resolved


def _refuse_control_characters(text: str) -> None:
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise InvalidInput("camera.url", "holds control characters")


def pacing_of(camera: Camera) -> int:
    """The camera's pacing; the default for none, or for one of a later version."""
    if camera.pacing in (PACING_LIVE, PACING_AS_FAST_AS_READ):
        return camera.pacing
    return PACING_AS_FAST_AS_READ if is_file(camera.url) else PACING_LIVE


def without_credentials(camera: Camera) -> Camera:
    """A copy that may be shown to anyone."""
    shown = Camera()
    shown.CopyFrom(camera)
    # One that an older gateway took for a file may hold a password.
    shown.url = MASK if lacks_scheme(camera.url) else redact(camera.url)
    return shown
