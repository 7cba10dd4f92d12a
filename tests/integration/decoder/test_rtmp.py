"""RTMP, which an operator can allow: read through the relay, and refused without that."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import pytest

from hermes.v1.camera_pb2 import SOURCE_ERROR_REFUSED, SOURCE_ERROR_TIMEOUT
from services.cli.redis_server import free_port
from services.decoder.faults import SourceFault
from services.decoder.settings import DecoderSettings
from services.decoder.sources import open_source
from tests.support import video
from tests.support.rtmp_server import RtmpServer
from tests.support.wrong_server import WrongServer

ALLOWED = DecoderSettings(
    protocols="rtmp,rtmps,rtsp", open_timeout_s=3.0, read_timeout_s=0.7, networks_denied="private"
)
SECRET = "s3cretw0rd"


@pytest.fixture(scope="module")
def flv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rtmp")
    film = video.write(folder / "film.mp4", 30, rate=10)
    target = folder / "film.flv"
    with av.open(film) as source, av.open(target, "w", format="flv") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                sink.mux(packet)
    return target


def test_rtmp_is_read_where_it_is_allowed(flv: Path) -> None:
    with RtmpServer(flv) as server:
        with open_source(server.url(), ALLOWED, 5.0) as source:
            assert source.real_time
            frames = list(itertools.islice(source.frames(lambda: None, lambda: None), 25))
        assert {(frame.width, frame.height) for frame in frames} == {(96, 64)}
        assert f"rtmp://127.0.0.1:{server.port}/live".encode() in server.said, "no trace of a relay"


def test_rtmp_is_refused_by_default(flv: Path) -> None:
    with RtmpServer(flv) as server, pytest.raises(SourceFault) as caught:
        open_source(server.url(), DecoderSettings(), 5.0)
    assert caught.value.permanent
    assert "the operator can allow it" in caught.value.message


def test_its_addresses_are_checked() -> None:
    with pytest.raises(SourceFault) as caught:
        open_source("rtmp://10.0.0.1/live/x", ALLOWED, 5.0)
    assert "an address that is not allowed" in caught.value.message


def test_servers_that_are_none() -> None:
    with pytest.raises(SourceFault) as caught:
        open_source(f"rtmp://viewer:{SECRET}@127.0.0.1:{free_port()}/live/x", ALLOWED, 5.0)
    assert caught.value.error == SOURCE_ERROR_REFUSED
    assert SECRET not in caught.value.message
    with WrongServer() as silent, pytest.raises(SourceFault) as caught:
        open_source(silent.url("rtmp", credentials=f"viewer:{SECRET}"), ALLOWED, 5.0)
    assert caught.value.error == SOURCE_ERROR_TIMEOUT
    with WrongServer(hangs_up=True) as closes, pytest.raises(SourceFault) as caught:
        open_source(closes.url("rtmp", credentials=f"viewer:{SECRET}"), ALLOWED, 5.0)
    assert SECRET not in caught.value.message
