"""Cameras over RTSP with manners of their own: transports, passwords, certificates, habits."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import redis

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_TIMEOUT,
    SOURCE_ERROR_TLS,
    SOURCE_STATE_FAILED,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
    TRANSPORT_TCP,
    TRANSPORT_UDP,
    TRANSPORT_UNSPECIFIED,
    Transport,
)
from services.common import keys
from services.decoder.corrections import Corrections
from services.decoder.faults import SourceFault
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from services.decoder.trust import LOST_PACKETS
from tests.support import hurt, video
from tests.support.certificates import Authority
from tests.support.decoder_service import DecoderService
from tests.support.rtsp_camera import Manners, RtspCamera
from tests.support.rtsp_login import Login
from tests.support.web_server import Page, WebServer
from tests.support.wrong_server import WrongServer

SETTINGS = DecoderSettings(open_timeout_s=3.0, read_timeout_s=1.0)
ONLY_UDP = Manners(transports=frozenset({"udp"}))
ONLY_TCP = Manners(transports=frozenset({"tcp"}))
SPEED = 8.0
PASSWORD = "p@ss:w/o#r?d%1%"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return video.write(tmp_path_factory.mktemp("rtsp") / "clip.h264", 20, rate=10)


def frames_of(
    url: str, count: int = 3, transport: Transport = TRANSPORT_UNSPECIFIED, **settings: object
) -> int:
    """How many frames could be read, of so many that are wanted."""
    with Source(
        url, SETTINGS.model_copy(update=settings), Corrections(transport=transport)
    ) as source:
        return len(list(islice(source.frames(lambda: None, lambda: None), count)))


def fault_of(
    url: str, transport: Transport = TRANSPORT_UNSPECIFIED, **settings: object
) -> SourceFault:
    """Why the source cannot be read."""
    with pytest.raises(SourceFault) as raised:
        frames_of(url, 1, transport, **settings)
    return raised.value


@pytest.mark.parametrize(
    ("manners", "transport", "habit", "by"),
    [
        (Manners(), TRANSPORT_UNSPECIFIED, "", ["tcp"]),
        (ONLY_UDP, TRANSPORT_UNSPECIFIED, "", ["udp"]),
        (ONLY_TCP, TRANSPORT_UNSPECIFIED, "", ["tcp"]),
        (Manners(), TRANSPORT_TCP, "", ["tcp"]),
        (Manners(), TRANSPORT_UDP, "", ["udp"]),
        (Manners(), TRANSPORT_UNSPECIFIED, "#transport=udp#backchannel=0", ["udp"]),
        (Manners(), TRANSPORT_TCP, "#transport=udp", ["tcp"]),
        # What a group is for does not matter where the server sends to each viewer as well.
        (Manners(connection="IN IP4 239.1.2.3/32"), TRANSPORT_UNSPECIFIED, "", ["tcp"]),
    ],
)
def test_it_is_read_over_tcp_or_udp_as_server_and_camera_say(
    clip: Path, manners: Manners, transport: Transport, habit: str, by: list[str]
) -> None:
    with RtspCamera(clip, speed=SPEED, manners=manners) as camera:
        assert frames_of(camera.url() + habit, transport=transport) == 3
        assert camera.sent_by == by
        assert not any("#" in line for line in camera.asked)


@pytest.mark.parametrize(
    ("manners", "transport", "words"),
    [
        (ONLY_UDP, TRANSPORT_TCP, "does not send over TCP: take auto or udp"),
        (ONLY_TCP, TRANSPORT_UDP, "does not send over UDP: take auto or tcp"),
        (Manners(frozenset()), TRANSPORT_UNSPECIFIED, "neither over TCP nor over UDP"),
        (Manners(group="239.1.2.3"), TRANSPORT_UNSPECIFIED, "multicast group"),
        (Manners(group="224.0.1.1", cast="unicast"), TRANSPORT_UDP, "multicast group"),
        (
            Manners(frozenset(), connection="IN IP4 239.1.2.3/32"),
            TRANSPORT_UNSPECIFIED,
            "multicast group",
        ),
    ],
)
def test_a_transport_that_is_not_there_is_named(
    clip: Path, manners: Manners, transport: Transport, words: str
) -> None:
    with RtspCamera(clip, speed=SPEED, manners=manners) as camera:
        fault = fault_of(camera.url(), transport, open_timeout_s=1.0)
    assert (fault.error, fault.permanent) == (SOURCE_ERROR_REFUSED, False)
    assert words in fault.message


def test_udp_that_does_not_arrive_is_told_from_a_server_that_is_silent(clip: Path) -> None:
    with RtspCamera(clip, speed=SPEED, manners=Manners(drops=lambda number: True)) as camera:
        fault = fault_of(camera.url(), TRANSPORT_UDP, open_timeout_s=1.0, read_timeout_s=0.5)
    assert fault.error == SOURCE_ERROR_TIMEOUT
    assert "firewall" in fault.message


@pytest.mark.parametrize("transport", [TRANSPORT_TCP, TRANSPORT_UDP])
def test_an_ipv6_host_is_read(clip: Path, transport: Transport) -> None:
    with RtspCamera(clip, speed=SPEED, host="::1") as camera:
        assert frames_of(camera.url(), transport=transport) == 3


@pytest.mark.parametrize("transport", [TRANSPORT_TCP, TRANSPORT_UDP])
def test_h265_is_read(films: dict[str, Path], transport: Transport) -> None:
    with RtspCamera(films["h265"], codec="h265", speed=SPEED) as camera:
        assert frames_of(camera.url(), transport=transport) == 3


@pytest.mark.parametrize(
    "kinds",
    [
        ("Basic",),
        ("Digest",),
        ("Digest MD5",),
        ("Digest SHA-256", "Digest MD5"),
        ("Basic", "Digest MD5"),
    ],
)
def test_a_password_is_sent_as_it_was_typed(clip: Path, kinds: tuple[str, ...]) -> None:
    with RtspCamera(
        clip, speed=SPEED, manners=Manners(login=Login("viewer", PASSWORD, kinds))
    ) as camera:
        assert frames_of(camera.url(f"viewer:{PASSWORD}")) == 3
        fault = fault_of(camera.url(f"viewer:{PASSWORD}x"))
    assert fault.error == SOURCE_ERROR_AUTH
    assert "wrong or missing credentials" in fault.message


def test_a_password_is_sent_over_http_as_it_was_typed(tmp_path: Path) -> None:
    pair = base64.b64encode(f"viewer:{PASSWORD}".encode()).decode()
    movie = video.write(tmp_path / "clip.mp4", 10, rate=10)
    with WebServer({"/clip.mp4": Page(movie.read_bytes(), auth=f"Basic {pair}")}) as web:
        assert frames_of(web.url("/clip.mp4", f"viewer:{PASSWORD}")) == 3


def test_the_longest_password_is_sent_whole(clip: Path) -> None:
    password = "/#?%" * 10
    with RtspCamera(
        clip, speed=SPEED, manners=Manners(login=Login("viewer", password, ("Digest MD5",)))
    ) as camera:
        assert frames_of(camera.url(f"viewer:{password}")) == 3


@pytest.mark.parametrize(
    "kinds", [("Digest SHA-256",), ("Digest MD5", "Digest SHA-256"), ("Basic", "Digest SHA-256")]
)
def test_an_algorithm_that_cannot_be_answered_is_named(clip: Path, kinds: tuple[str, ...]) -> None:
    with RtspCamera(
        clip, speed=SPEED, manners=Manners(login=Login("viewer", PASSWORD, kinds))
    ) as camera:
        fault = fault_of(camera.url(f"viewer:{PASSWORD}"))
    assert fault.error == SOURCE_ERROR_AUTH
    assert "by Digest SHA-256, which is not supported here" in fault.message
    assert "take Digest MD5 alone" in fault.message


def test_a_redirect_to_another_host_is_refused_and_that_host_is_not_called(clip: Path) -> None:
    with WrongServer() as other:
        target = f"rtsp://127.0.0.1:{other.port}/hunter2"
        with RtspCamera(clip, speed=SPEED, manners=Manners(redirect=target)) as camera:
            fault = fault_of(camera.url(f"viewer:{PASSWORD}"))
        assert other.asked == []
    assert fault.error == SOURCE_ERROR_REFUSED
    assert "redirects to another address" in fault.message
    assert "hunter2" not in fault.message


def test_a_redirect_within_the_server_is_followed(clip: Path) -> None:
    login = Login("viewer", PASSWORD, ("Digest MD5",))
    with RtspCamera(clip, speed=SPEED, manners=Manners(login=login)) as camera:
        camera.manners = replace(camera.manners, redirect=camera.url(path="/moved"))
        assert frames_of(camera.url(f"viewer:{PASSWORD}")) == 3
        assert [line.split()[1].split("/")[3] for line in camera.asked[:2]] == ["live", "moved"]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("cameras")


@pytest.fixture(scope="module")
def issue(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[Path, Path]]:
    """Makes a certificate; its path with the key's in one file, and its authority's."""

    def make(name: str, **options: object) -> tuple[Path, Path]:
        files = authority.issue(tmp_path_factory.mktemp("cert"), name, **options)  # type: ignore[arg-type]
        both = files.folder / "both.pem"
        both.write_bytes(files.key.read_bytes() + files.cert.read_bytes())
        return both, files.ca

    return make


def test_rtsps_is_read_with_an_authority_of_ones_own(
    clip: Path, issue: Callable[..., tuple[Path, Path]]
) -> None:
    both, ca = issue("localhost")
    login = Login("viewer", PASSWORD, ("Digest MD5",))
    with RtspCamera(clip, speed=SPEED, manners=Manners(login=login), certificate=both) as camera:
        url = camera.url(f"viewer:{PASSWORD}")
        assert frames_of(url, tls_ca_file=str(ca)) == 3
        assert frames_of(url, tls_verify=False) == 3
        fault = fault_of(url)
        assert fault.error == SOURCE_ERROR_TLS
        assert "its authority is not known here: give that as tls_ca_file" in fault.message
        fault = fault_of(url, TRANSPORT_UDP)
        assert (fault.error, fault.permanent) == (SOURCE_ERROR_REFUSED, True)
        assert "rtsps:// goes over TCP alone" in fault.message
    with RtspCamera(clip, speed=SPEED, host="127.0.0.2", certificate=both) as camera:
        fault = fault_of(camera.url(), tls_ca_file=str(ca))
    assert fault.error == SOURCE_ERROR_TLS
    assert "it is for another address" in fault.message


@pytest.mark.parametrize("transport", [TRANSPORT_TCP, TRANSPORT_UDP])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_after_a_lost_packet_nothing_is_taken_until_the_picture_is_whole(
    films: dict[str, Path], codec: str, transport: Transport
) -> None:
    truth = np.stack(hurt.shown(films[codec])).astype(np.int16)
    taken = 0
    gap = None
    with (
        RtspCamera(films[codec], Manners(drops=lost), codec, rate=60) as camera,
        Source(camera.url(), SETTINGS, Corrections(transport=transport)) as source,
    ):
        for frame in islice(source.frames(lambda: None, lambda: None), 50):
            off = np.abs(truth - hurt.luma(frame)).mean(axis=(1, 2))
            assert off.min() <= 1.0, f"after {taken} frames"
            taken += 1
            gap = gap or source.take_gap()
    assert gap == LOST_PACKETS


def lost(number: int) -> bool:
    """One of the packets of the second key frame."""
    return number == 45


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A moving texture by its codec; a key frame is ten packets or more, another frame one."""
    folder = tmp_path_factory.mktemp("films")
    return {
        codec: hurt.film(folder / f"film.{suffix}", codec)
        for codec, suffix in (("h264", "h264"), ("h265", "hevc"))
    }


def test_a_camera_over_udp_dies_stalls_and_comes_back_and_the_others_never_pause(
    decoder: DecoderService, clip: Path
) -> None:
    with RtspCamera(clip, ONLY_UDP) as failing, RtspCamera(clip) as steady:
        decoder.add("steady", steady.url())
        decoder.add("failing", failing.url())
        for camera_id in ("steady", "failing"):
            decoder.wait_for(camera_id, SOURCE_STATE_ONLINE)
            decoder.wait_for_more(camera_id)
        failing.kill()
        decoder.wait_for("failing", SOURCE_STATE_OFFLINE)
        failing.start()
        decoder.wait_for("failing", SOURCE_STATE_ONLINE)
        failing.stall()
        decoder.wait_for("failing", SOURCE_STATE_OFFLINE, SOURCE_ERROR_TIMEOUT)
        failing.go_on()
        decoder.wait_for("failing", SOURCE_STATE_ONLINE)
        decoder.wait_for_more("failing")
        assert set(failing.sent_by) == {"udp"}
        assert decoder.longest_pause_ms("steady") < 900
        assert decoder.status("steady").reconnects == 0


def test_a_password_as_it_was_typed_is_shown_nowhere(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, clip: Path
) -> None:
    """Debug logs, statuses, metrics and processes; with failures of many kinds."""
    secret = f"{PASSWORD}hunter2"
    login = Login("viewer", secret, ("Digest MD5",))
    strange = Login("viewer", secret, ("Digest SHA-256",))
    with (
        DecoderService(redis_url, tmp_path, HERMES_LOG_LEVEL="debug") as decoder,
        RtspCamera(clip, Manners(login=login)) as good,
        RtspCamera(clip, Manners(login=strange)) as modern,
        RtspCamera(clip, Manners(redirect=f"rtsp://viewer:{secret}@10.0.0.9/{secret}")) as moved,
        RtspCamera(clip, Manners(frozenset())) as deaf,
    ):
        decoder.add("good", good.url(f"viewer:{secret}"))
        failing = {
            "wrong": (good.url(f"viewer:{secret}x"), SOURCE_ERROR_AUTH),
            "modern": (modern.url(f"viewer:{secret}"), SOURCE_ERROR_AUTH),
            "moved": (moved.url(f"viewer:{secret}"), SOURCE_ERROR_REFUSED),
            "deaf": (deaf.url(f"viewer:{secret}"), SOURCE_ERROR_REFUSED),
            "nohost": (f"rtsp://viewer:{secret}@camera.invalid/live", SOURCE_ERROR_NOT_FOUND),
            "misread": ("rtsp://viewer:12/hunter2@cam/live", SOURCE_ERROR_NOT_FOUND),
        }
        for camera_id, (url, _) in failing.items():
            decoder.add(camera_id, url)
        for camera_id, (_, error) in failing.items():
            decoder.wait_for(camera_id, SOURCE_STATE_OFFLINE, error)
        decoder.add("twofold", "rtsp://viewer:12/hunter2@10.0.0.7/live")
        decoder.wait_for("twofold", SOURCE_STATE_FAILED, SOURCE_ERROR_REFUSED)
        decoder.wait_for_more("good")
        shown = decoder.output() + decoder.get("/metrics") + decoder.get("/readyz")
        for camera_id in ("good", "twofold", *failing):
            shown += str(decoder.redis.hgetall(keys.status(camera_id)))
        for process in decoder.family():
            shown += " ".join(process.cmdline()) + str(process.environ())
    assert "wrong or missing credentials" in shown
    assert "/ as %2F" in shown
    for piece in ("hunter2", "p@ss", "p%40ss", "w/o#r", "w%2Fo"):
        assert piece not in shown
