from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import (
    COLOR_MATRIX_RGB,
    PACING_AS_FAST_AS_READ,
    PACING_LIVE,
    TRANSPORT_TCP,
    TRANSPORT_UDP,
    AspectRatio,
    Camera,
    Color,
    Picture,
    Sampling,
)
from services.common import cameras
from services.common.camera_url import CameraUrl
from services.common.cameras import SourcePolicy
from services.common.redaction import redact, secrets_of


@pytest.fixture
def media(tmp_path: Path) -> Path:
    root = tmp_path / "media"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("x")
    (root / "clip.mp4").write_bytes(b"x")
    (root / "inside").symlink_to(root / "clip.mp4")
    (root / "outside").symlink_to(tmp_path)
    (root / "etc").symlink_to("/etc")
    (root / "circle").symlink_to(root / "circle")
    return root


def field_of(camera: Camera, policy: SourcePolicy | None = None) -> str:
    with pytest.raises(InvalidInput) as refused:
        cameras.check(camera, policy or SourcePolicy())
    return refused.value.field


def test_labels_and_display_names_are_checked() -> None:
    camera = Camera(id="a", url="rtsp://host/s", labels={"site": "dock"}, display_name="Dock 3")
    assert cameras.check(camera, SourcePolicy()) == camera
    camera.labels["site"] = "a b"
    assert field_of(camera) == "camera.labels"
    camera = Camera(id="a", url="rtsp://host/s", display_name="\x1b[2J")
    assert field_of(camera) == "camera.display_name"


@pytest.mark.parametrize("id", ["a", "lobby-1", "A.b_c", "0", "x" * 64])
def test_valid_ids_are_accepted(id: str) -> None:
    assert cameras.check_id(id) == id


@pytest.mark.parametrize(
    "id", ["", "x" * 65, "-a", ".a", "..", "a b", "a/b", "a{b}", "ä", "a\n", "a\0", "a:b", "\u0661"]
)
def test_invalid_ids_are_refused(id: str) -> None:
    assert field_of(Camera(id=id, url="rtsp://host/s")) == "camera.id"


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://host/s",
        "RTSP://host:8554/s",
        "rtsps://user:p%40ss@host/s?a=b",
        "http://host/live.m3u8",
        "https://[fe80::1]:8443/x",
    ],
)
def test_valid_network_sources_are_accepted(url: str) -> None:
    cameras.check(Camera(id="a", url=url), SourcePolicy())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "rtsp://",
        "rtsp:///path",
        "rtsp://host:99999/s",
        "rtsp://host:port/s",
        "rtsp://[fe80::1/s",
        "rtsp://ho st/s",
        "rtsp://host/s\u2003x",
        " rtsp://host/s",
        "rtsp://host/\ns",
        "rtsp://host/\x7f",
        "rtsp://host/\x85",
        "rtsp://" + "h" * 3000,
        "ftp://host/s",
        "tcp://host:1",
        "rtmp://host/s",
        "concat:rtsp://host/s|file:///etc/passwd",
        "pipe://0",
        "data://text",
        "gopher://host",
        "://host",
        "file://host/clip.mp4",
        "file:///etc/passwd",
        "clip.mp4",
        "/etc/passwd",
        "concat:a|b",
    ],
)
def test_invalid_sources_are_refused(url: str) -> None:
    assert field_of(Camera(id="a", url=url)) == "camera.url"


def test_a_refusal_shows_no_password() -> None:
    for url in (
        "rtsp://admin:hunter2@host:port/s",
        "rtsp://admin:12/hunter2@10.0.0.7/s",
        "rtsp://admin:hunter2[@/s",
        "rtsp://admin:hunter2@/s",
        "foo://admin:hunter2@host/s",
        "rtsp://admin:hunter2 x@host/s",
        "admin:hunter2@host/s",
    ):
        with pytest.raises(InvalidInput) as refused:
            cameras.check_url(url, SourcePolicy())
        assert "hunter2" not in str(refused.value)


def test_the_list_of_protocols_can_be_narrowed() -> None:
    policy = SourcePolicy(protocols=frozenset({"rtsps"}))
    cameras.check_url("rtsps://host/s", policy)
    with pytest.raises(InvalidInput, match="rtsps"):
        cameras.check_url("rtsp://host/s", policy)


@pytest.mark.parametrize(
    "url",
    [
        "clip.mp4",
        "./clip.mp4",
        "sub/../clip.mp4",
        "not there yet.mp4",
        "50% @ night.mp4",
        "{root}/clip.mp4",
        "file://{root}/clip.mp4",
        "FILE://localhost{root}/clip.mp4",
        "file://{root}/a%20b.mp4",
        "inside",
        "concat:a|b",  # the name of a file, once it is a path
    ],
)
def test_files_below_the_media_folder(media: Path, url: str) -> None:
    resolved = cameras.resolve_file(url.format(root=media), SourcePolicy(media))
    assert resolved.is_relative_to(media)
    assert resolved.is_absolute()
    cameras.check(Camera(id="a", url=url.format(root=media)), SourcePolicy(media))


@pytest.mark.parametrize(
    "url",
    [
        "..",
        ".",
        "/",
        "../secret.txt",
        "sub/../../secret.txt",
        "/etc/passwd",
        "//etc/passwd",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "FILE:///etc/passwd",
        "file:////etc/passwd",
        "file://host{root}/clip.mp4",
        "file://[{root}/clip.mp4",
        "file://{root}/../secret.txt",
        "file://{root}/%2e%2e/secret.txt",
        "file://{root}/..%2fsecret.txt",
        "file://{root}/clip.mp4%00.txt",
        "file://{root}",
        "outside/secret.txt",
        "outside",
        "etc/passwd",
        "circle/../../secret.txt",
        "clip.mp4\0",
        "a\nb",
    ],
)
def test_other_files_are_refused(media: Path, url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        cameras.check_url(url.format(root=media), SourcePolicy(media))
    assert refused.value.field == "camera.url"


@given(st.text(max_size=60))
def test_no_text_leads_out_of_the_folder(url: str) -> None:
    root = Path("/nonexistent/media")
    try:
        resolved = cameras.resolve_file(url, SourcePolicy(root))
    except InvalidInput:
        return
    except ValueError:
        assert "\0" in url  # control characters are refused before
        return
    assert resolved.is_relative_to(root)


@pytest.mark.parametrize("fps", [math.nan, math.inf, -math.inf, -0.1, 30.5])
def test_invalid_frame_rates_are_refused(fps: float) -> None:
    camera = Camera(id="a", url="rtsp://h/s", sampling=Sampling(frames_per_second=fps))
    assert field_of(camera) == "camera.sampling.frames_per_second"


def test_chunks_have_limits() -> None:
    camera = Camera(id="a", url="rtsp://h/s", sampling=Sampling(chunk_max_frames=65))
    assert field_of(camera) == "camera.sampling.chunk_max_frames"
    camera.sampling.chunk_max_frames = 64
    for seconds, nanos in ((61, 0), (-1, 0), (0, -1), (60, 1)):
        camera.sampling.chunk_max_duration.seconds = seconds
        camera.sampling.chunk_max_duration.nanos = nanos
        assert field_of(camera) == "camera.sampling.chunk_max_duration"


def test_options_for_files_are_refused_for_network_sources(media: Path) -> None:
    policy = SourcePolicy(media)
    assert field_of(Camera(id="a", url="rtsp://h/s", loop=True), policy) == "camera.loop"
    fast = Camera(id="a", url="rtsp://h/s", pacing=PACING_AS_FAST_AS_READ)
    assert field_of(fast, policy) == "camera.pacing"
    for camera in (
        Camera(id="a", url="clip.mp4", loop=True, pacing=PACING_LIVE),
        Camera(id="a", url="clip.mp4", pacing=PACING_AS_FAST_AS_READ),
    ):
        assert cameras.check(camera, policy) is camera
    unknown = Camera(id="a", url="clip.mp4")
    unknown.MergeFromString(b"\x20\x63")  # pacing = 99
    assert field_of(unknown, policy) == "camera.pacing"


@pytest.mark.parametrize(
    ("picture", "field"),
    [
        (Picture(rotate=45), "rotate"),
        (Picture(rotate=360), "rotate"),
        (Picture(aspect=AspectRatio()), "aspect"),
        (Picture(aspect=AspectRatio(width=16)), "aspect"),
        (Picture(aspect=AspectRatio(width=11, height=1)), "aspect"),
        (Picture(aspect=AspectRatio(width=1, height=11)), "aspect"),
        (Picture(transport=7), "transport"),  # type: ignore[arg-type]
        (Picture(color=Color(matrix=COLOR_MATRIX_RGB)), "color.matrix"),
        (Picture(color=Color(matrix=99)), "color.matrix"),  # type: ignore[arg-type]
        (Picture(color=Color(range=7)), "color.range"),  # type: ignore[arg-type]
    ],
)
def test_corrections_that_cannot_be_made_are_refused(picture: Picture, field: str) -> None:
    camera = Camera(id="lobby", url="rtsp://host/s", picture=picture)
    assert field_of(camera) == f"camera.picture.{field}"


def test_only_an_rtsp_source_has_a_transport() -> None:
    picture = Picture(transport=TRANSPORT_TCP)
    camera = Camera(id="lobby", url="http://host/s", picture=picture)
    assert field_of(camera) == "camera.picture.transport"
    for scheme in ("rtsp", "RTSPS"):
        cameras.check(Camera(id="lobby", url=f"{scheme}://host/s", picture=picture), SourcePolicy())


def test_the_pacing_follows_the_source() -> None:
    assert cameras.pacing_of(Camera(url="rtsp://h/s")) == PACING_LIVE
    assert cameras.pacing_of(Camera(url="clip.mp4")) == PACING_AS_FAST_AS_READ
    assert cameras.pacing_of(Camera(url="clip.mp4", pacing=PACING_LIVE)) == PACING_LIVE


def test_shown_cameras_have_no_credentials() -> None:
    camera = Camera(id="a", url="rtsp://admin:hunter2@h/s?token=abc", loop=True)
    shown = cameras.without_credentials(camera)
    assert shown.url == "rtsp://***@h/s?token=***"
    assert shown.loop
    assert "hunter2" in camera.url


@pytest.mark.parametrize("url", ["user:hunter2@host/x", "hunter2@host:x", "rtsp:u:hunter2@host/x"])
def test_a_url_without_a_scheme_is_refused_and_not_repeated(url: str, media: Path) -> None:
    with pytest.raises(InvalidInput, match=r"without a scheme; write rtsp://") as refused:
        cameras.check_url(url, SourcePolicy(media))
    assert refused.value.field == "camera.url"
    assert "hunter2" not in str(refused.value)
    assert cameras.without_credentials(Camera(id="a", url=url)).url == "***"


def test_a_file_whose_name_looks_like_an_address_can_be_written_with_a_dot(media: Path) -> None:
    resolved = cameras.resolve_file("./12:30@lobby.mp4", SourcePolicy(media))
    cameras.check_url("./12:30@lobby.mp4", SourcePolicy(media))
    assert resolved == media / "12:30@lobby.mp4"


PASSWORD = "hunter2"


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        (f"rtsp://admin:12/{PASSWORD}@10.0.0.7/s", "/ as %2F"),
        (f"rtsp://admin:12?{PASSWORD}@10.0.0.7/s", "? as %3F"),
        (f"rtsp://admin:12#{PASSWORD}@10.0.0.7/s", "# as %23"),
        (f"rtsp://admin:12#{PASSWORD}@host/s", "# as %23"),
        (f"rtsp:/admin:{PASSWORD}@host/x", "has one slash after the colon; write rtsp://"),
        (f"http//admin:{PASSWORD}@host/x", "lacks the colon; write http://"),
        (f"HTTPS;//admin:{PASSWORD}@host/x", "has a semicolon for the colon; write https://"),
        (f"rtsp:\\\\host\\{PASSWORD}", "has backslashes; write rtsp://"),
        (f"rstp://admin:{PASSWORD}@host/x", "did you mean rtsp://?"),
        ("htp://host/x", "did you mean http://?"),
        ("://host/x", "has no protocol before ://"),
        ("rtsp:///host/x", "two slashes and the host follow the colon"),
        ("192.168.1.10/live", "is a URL without a scheme; write rtsp://"),
        ("www.example.org/live", "is a URL without a scheme; write rtsp://"),
        (f"C:\\Users\\{PASSWORD}\\clip.mp4", "is a path of Windows"),
        (f"c:/Users/{PASSWORD}/clip.mp4", "is a path of Windows"),
        (f"\\\\nas\\{PASSWORD}\\clip.mp4", "is a path of Windows"),
        (f'"rtsp://admin:{PASSWORD}@host/x"', "begins with a quote"),
        (f" rtsp://admin:{PASSWORD}@host/x", "begins or ends with a space"),
        (f"rtsp://admin:{PASSWORD} x@host/x", "in a URL it is written %20"),
    ],
)
def test_a_mistyped_url_gets_a_hint_that_repeats_no_password(
    url: str, hint: str, media: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        cameras.check_url(url, SourcePolicy(media))
    assert hint in str(refused.value)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        f"rtsp://admin:{PASSWORD}/x@host/s",
        f"rtsp://admin:{PASSWORD}?x@host:8554/s",
        f"http://admin:{PASSWORD}#x@host/s",
        f"rtsp://admin:@{PASSWORD}:@[::1]:8554/s",
        f"rtsp://admin:#{PASSWORD}@host/s",
        f"rtsp://admin:50%{PASSWORD}[@host/s",
        f"https://admin:p@ss:w/o#r?d%1{PASSWORD}@10.0.0.7:8443/live.m3u8?x=1",
    ],
)
def test_a_password_is_taken_as_it_was_typed_and_shown_nowhere(url: str) -> None:
    cameras.check_url(url, SourcePolicy())
    shown = cameras.without_credentials(Camera(id="a", url=url)).url
    assert PASSWORD not in shown
    assert PASSWORD not in redact(f"cannot open {url}: {url!r}")
    assert PASSWORD not in redact(f"cannot open {CameraUrl.read(url).encoded}", secrets_of(url))


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        (f"ffmpeg:rtsp://admin:{PASSWORD}@host/s#video=copy", "FFmpeg is not started here"),
        (f"exec:ffmpeg -i rtsp://admin:{PASSWORD}@host/s -f rtsp {{output}}", "no program is"),
        (f"rtspx://host:7441/{PASSWORD}", "write rtsps://, and give the decoder"),
        (f"onvif://admin:{PASSWORD}@host", "write the camera's rtsp:// address"),
        (f"tapo://{PASSWORD}@host", "add it to go2rtc"),
        (f"rtspt://admin:{PASSWORD}@host/s", "write rtsp://"),
        ("rtsp://host/s#video=h264", "#video, which cannot be done as it says: leave it out"),
        ("rtsp://host/s#media=audio", "#media, which cannot be done as it says"),
        ("rtsp://host/s#backchannel=0#transport=ws", "#transport, which cannot be done as it says"),
        ("rtsp://host/s#timeout=30", "the decoder's read_timeout_s"),
        ("rtsp://host/s#rotate=90", "give the camera itself the turn"),
        ("rtsp://host/s#hardware", "the decoder's settings"),
        (f"rtsp://host/s#{PASSWORD}", "it is written %23"),
        ("rtsps://host/s#transport=udp", "goes over TCP alone"),
        (f"rtsp://u:{'/' * 40}{PASSWORD}@host/s", "of more than 127 characters together"),
        ("rtsp://[fe80::1%eth0]:8554/s", "an IPv6 address with a zone"),
        ("rtsp://[fe80::1%25eth0]/s", "an IPv6 address with a zone"),
    ],
)
def test_what_another_program_calls_a_source_is_refused_with_what_to_write(
    url: str, hint: str, media: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        cameras.check_url(url, SourcePolicy(media))
    assert hint in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_rtsps_goes_over_tcp_alone() -> None:
    camera = Camera(id="a", url="rtsps://host/s", picture={"transport": TRANSPORT_UDP})
    assert field_of(camera) == "camera.picture.transport"
    camera.url = "rtsp://host/s"
    assert cameras.check(camera, SourcePolicy()) is camera


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://host/s#backchannel=0",
        "rtsp://host/s#video=copy#audio=copy#media=video",
        "rtsp://host/s#transport=udp",
        "rtsp://host/s#",
        "rtsp://[::1]:8554/s",
        "http://host/film.mp4#t=10",
    ],
)
def test_what_another_program_appends_to_an_address_is_understood(url: str) -> None:
    cameras.check_url(url, SourcePolicy())


def test_a_file_that_is_not_enabled_is_hinted_to_be_a_url() -> None:
    with pytest.raises(InvalidInput, match="a URL begins with rtsp://"):
        cameras.check_url("camera.example.org/live", SourcePolicy())


@pytest.mark.parametrize("name", ["192.168.1.10.mp4", "./C:/x.mp4", "a\\b.mp4", "www/x.mp4"])
def test_a_file_whose_name_only_looks_like_a_mistake_is_taken(name: str, media: Path) -> None:
    cameras.check_url(name, SourcePolicy(media))
