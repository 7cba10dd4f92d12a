"""Locations: a source's address for FFmpeg, with options that shut everything else.

Whatever the address, a playlist or a redirect may lead only where the policy
allows. This file decides what FFmpeg may open; `Source` opens it. FFmpeg itself
connects to nothing: what comes over HTTP is fetched by the web client.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from services.common.cameras import (
    OPTIONAL_PROTOCOLS,
    check_url,
    device_path,
    is_device,
    is_file,
)
from services.decoder.faults import SourceFault
from services.decoder.local_device import FORMAT, check_device
from services.decoder.media_file import open_media
from services.decoder.rtmp_relay import RtmpRelay
from services.decoder.rtsp_relay import RtspRelay
from services.decoder.settings import DecoderSettings
from services.decoder.web_source import WebSource

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,asf,ogg,h264,hevc"
"""Formats that hold video and cannot name another file or host to open."""

STREAMED = f"{CONTAINERS},hls,mpjpeg,aac,webvtt"
"""The same over HTTP, with playlists: the protocol list applies to their entries, too."""

HTTP_PATIENCE = 3.0
"""Segments of an HTTP live stream arrive as a whole, seconds apart."""

ANALYZE_US = 500_000


@dataclass(slots=True)
class Location:
    """What is passed to FFmpeg. Holds a file open until it is closed."""

    address: str
    options: dict[str, str]
    descriptor: int | None = None
    format: str | None = None
    web: WebSource | None = None
    relay: RtspRelay | RtmpRelay | None = None

    @property
    def fault(self) -> SourceFault | None:
        """What went wrong outside of FFmpeg, which only sees that a file or connection ends."""
        if self.relay is not None:
            return self.relay.fault
        return None if self.web is None else self.web.faults.take()

    def close(self) -> None:
        """Close what it holds open. May be called twice."""
        if self.relay is not None:
            self.relay.close()
        if self.web is not None:
            self.web.close()
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def locate(url: str, settings: DecoderSettings) -> Location:
    """The location of a source that may be opened. Raises `InvalidInput` or `SourceFault`."""
    check_url(url, settings.policy)
    if is_device(url):
        return _device(url)
    return _file(url, settings) if is_file(url) else _network(url, settings)


def patience_s(url: str, settings: DecoderSettings) -> float:
    """The longest silence of this kind of source, in seconds."""
    slow = url.lower().startswith("http")
    return settings.read_timeout_s * (HTTP_PATIENCE if slow else 1.0)


def _file(url: str, settings: DecoderSettings) -> Location:
    # The file is opened here and passed as a descriptor: FFmpeg may open
    # nothing by name, so neither a playlist nor a link that changes after the
    # check leads anywhere.
    descriptor = open_media(url, settings.policy)
    options = {
        "fd": str(descriptor),
        "protocol_whitelist": "fd",
        "format_whitelist": CONTAINERS,
    }
    return Location("fd:", options, descriptor)


def _device(url: str) -> Location:
    path = device_path(url)
    check_device(path)
    # The device is not a file of that name: FFmpeg opens it by its own format, and nothing else.
    return Location(path, {"protocol_whitelist": "none"}, format=FORMAT)


def _network(url: str, settings: DecoderSettings) -> Location:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()  # FFmpeg takes RTSP:// for the name of a file
    address = urlunsplit(parts._replace(scheme=scheme))
    microseconds = str(int(patience_s(url, settings) * 1e6))
    options = {"timeout": microseconds} | _tls_options(settings)
    if scheme.startswith("rtsp"):
        return Location(
            address,
            options
            | {
                "protocol_whitelist": "tcp,tls,rtp",
                "format_whitelist": "rtsp,sdp",
                "rtsp_transport": "tcp",
                "allowed_media_types": "video",
                "analyzeduration": str(ANALYZE_US),
            },
        )
    if scheme in OPTIONAL_PROTOCOLS:
        return Location(
            address,
            {
                "protocol_whitelist": "rtmp,tcp",
                "format_whitelist": "flv,live_flv",
                "analyzeduration": str(ANALYZE_US),
                "rw_timeout": microseconds,
            },
        )
    web = WebSource(address, settings, patience_s(url, settings))
    # FFmpeg may open nothing by itself: it asks the web source for each file.
    return Location(
        address,
        {
            "protocol_whitelist": "crypto",
            "format_whitelist": STREAMED,
            # The client keeps connections; FFmpeg would take ours for its own.
            "http_persistent": "0",
            # What a segment is called says nothing; where it leads, the web source checks.
            "extension_picky": "0",
            "allowed_extensions": "ALL",
            "allowed_segment_extensions": "ALL",
            "http_multiple": "0",
        },
        web=web,
    )


def _tls_options(settings: DecoderSettings) -> dict[str, str]:
    if not settings.tls_verify:
        return {"tls_verify": "0"}
    # The library does not know where this system keeps its authorities.
    authorities = settings.tls_ca_file or ssl.get_default_verify_paths().cafile
    return {"tls_verify": "1"} | ({"ca_file": authorities} if authorities else {})
