from __future__ import annotations

import os
import re
import signal
import time
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import av
import redis

from hermes.v1.camera_pb2 import (
    GAP_REASON_DAMAGED,
    PACING_LIVE,
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_REFUSED,
    SOURCE_STATE_ENDED,
    SOURCE_STATE_FAILED,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
    Picture,
)
from hermes.v1.frames_pb2 import Frame
from services.common import keys
from services.common.camera_status import MEMORY_ID
from tests.support import painted, video
from tests.support.decoder_service import DecoderService
from tests.support.waiting import eventually


def media_times(service: DecoderService, camera_id: str) -> list[int]:
    return [frame.media_time_ms for frame in service.frames(camera_id)]


def size_of(frame: Frame) -> tuple[int, int]:
    codec = av.CodecContext.create("mjpeg", "r")
    shown = codec.decode(av.Packet(frame.jpeg))[0]
    return shown.width, shown.height


def luma(frame: Frame) -> int:
    codec = av.CodecContext.create("mjpeg", "r")
    return bytes(codec.decode(av.Packet(frame.jpeg))[0].planes[0])[10]


def test_a_file_is_read_whole_in_order_and_ends(decoder: DecoderService) -> None:
    for suffix in ("mp4", "mkv", "ts"):
        video.write(decoder.media / f"clip.{suffix}", 50, rate=10)
        decoder.add(suffix, f"clip.{suffix}", fps=2, chunk_frames=4)
    for suffix in ("mp4", "mkv", "ts"):
        status = decoder.wait_for(suffix, SOURCE_STATE_ENDED)
        assert status.error == SOURCE_ERROR_ENDED
        assert status.error_message == "the file was read whole (5.0 s)"
        chunks = decoder.chunks(suffix)
        # At twice a second from ten: each fifth frame, and it is that very picture.
        assert media_times(decoder, suffix) == list(range(0, 5000, 500))
        for index, frame in enumerate(decoder.frames(suffix)):
            shown = (video.brightness(index * 5) - 16) * 255 / 219
            assert abs(luma(frame) - shown) <= 6
        assert [c.first_frame_index for c in chunks] == [0, 4, 8]
        assert not any(c.live or c.discontinuity for c in chunks)
        times = [frame.capture_time_ms for frame in decoder.frames(suffix)]
        assert all(a < b for a, b in pairwise(times))
        assert abs(times[-1] - time.time() * 1000) < 60_000
        assert decoder.metric(f'hermes_frames_total{{camera="{suffix}",outcome="encoded"}}') == 10


def test_the_status_shows_the_true_picture(decoder: DecoderService) -> None:
    """A clip with tall pixels that is filmed on its side, in more pixels than are taken."""
    painted.write(
        decoder.media / "a.mp4",
        [painted.quarters((192, 64))] * 5,
        pixel_aspect=Fraction(1, 2),
        turn=(270, False, False),
    )
    decoder.add("a", "a.mp4")
    picture = decoder.wait_for("a", SOURCE_STATE_ENDED).picture
    assert (picture.coded_width, picture.coded_height) == (192, 64)
    assert (picture.width, picture.height) == (128, 192)  # no line and no column is lost
    assert (picture.frame_width, picture.frame_height) == (42, 64)
    assert (picture.codec, picture.frames_per_second, picture.rotate) == ("h264", 10.0, 90)
    assert {(w, h) for w, h in map(size_of, decoder.frames("a"))} == {(42, 64)}
    decoder.add("b", "a.mp4", picture=Picture(rotate=0, square_pixels=True))
    picture = decoder.wait_for("b", SOURCE_STATE_ENDED).picture
    assert (picture.width, picture.height, picture.rotate) == (192, 64, 0)
    assert {(w, h) for w, h in map(size_of, decoder.frames("b"))} == {(64, 22)}


def test_variable_frame_rate_is_sampled_by_presentation_time(decoder: DecoderService) -> None:
    # Thirty a second for a second, then one in two seconds, then thirty again.
    times = [i * 33 for i in range(30)] + [3000, 5000] + [6000 + i * 33 for i in range(60)]
    video.write(decoder.media / "vfr.mkv", 0, rate=30, times_ms=times)
    decoder.add("vfr", "vfr.mkv", fps=1)
    decoder.wait_for("vfr", SOURCE_STATE_ENDED)
    seconds = [round(ms / 1000) for ms in media_times(decoder, "vfr")]
    assert seconds == [0, 3, 5, 6, 7]


def test_what_is_no_video_gets_one_clear_error_and_the_rest_goes_on(
    decoder: DecoderService,
) -> None:
    secret = decoder.media.parent / "secret.ts"
    video.write(secret, 20, rate=10)
    (decoder.media / "text.mp4").write_text("this is not a video\n" * 100)
    (decoder.media / "list.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n"
        "#EXTINF:2,\n/etc/passwd\n#EXT-X-ENDLIST\n"
    )
    (decoder.media / "concat.mp4").write_text(f"ffconcat version 1.0\nfile '{secret}'\n")
    (decoder.media / "stream.mp4").write_text(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5555 RTP/AVP 96\nc=IN IP4 127.0.0.1\n"
        "a=rtpmap:96 H264/90000\n"
    )
    (decoder.media / "sub.srt").write_text("1\n00:00:00,000 --> 00:00:05,000\nhello\n")
    (decoder.media / "link.ts").symlink_to(secret)
    (decoder.media / "folder").mkdir()
    video.write(decoder.media / "good.mp4", 20, rate=10)
    failed = {
        "text": ("text.mp4", SOURCE_ERROR_CODEC),
        "list": ("list.m3u8", SOURCE_ERROR_REFUSED),
        "concat": ("concat.mp4", SOURCE_ERROR_REFUSED),
        "sdp": ("stream.mp4", SOURCE_ERROR_REFUSED),
        "sub": ("sub.srt", SOURCE_ERROR_REFUSED),
        "link": ("link.ts", SOURCE_ERROR_REFUSED),
        "outside": ("file:///etc/passwd", SOURCE_ERROR_REFUSED),
        "gopher": ("gopher://127.0.0.1/x", SOURCE_ERROR_REFUSED),
    }
    away = {"missing": "missing.mp4", "folder": "folder"}
    for camera_id, (url, _) in failed.items():
        decoder.add(camera_id, url)
    for camera_id, url in away.items():
        decoder.add(camera_id, url)
    decoder.add("good", "good.mp4")
    decoder.wait_for("good", SOURCE_STATE_ENDED)
    for camera_id, (_, error) in failed.items():
        status = decoder.wait_for(camera_id, SOURCE_STATE_FAILED)
        assert status.error in (error, SOURCE_ERROR_CODEC), camera_id
        assert status.error_message
    for camera_id in away:
        decoder.wait_for(camera_id, SOURCE_STATE_OFFLINE, SOURCE_ERROR_NOT_FOUND)
    for camera_id in (*failed, *away):
        assert decoder.chunks(camera_id) == []
    # A file that turns up is taken.
    video.write(decoder.media / "missing.mp4", 20, rate=10)
    decoder.wait_for("missing", SOURCE_STATE_ENDED)


def test_damage_in_the_middle_is_counted_and_survived(decoder: DecoderService) -> None:
    path = video.write(decoder.media / "damaged.mp4", 100, rate=10)
    with av.open(path) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.pos is not None]
    data = bytearray(path.read_bytes())
    for position, size in packets[30:40]:
        data[position : position + size] = b"\xff" * size
    path.write_bytes(data)
    decoder.add("damaged", "damaged.mp4", fps=10)
    decoder.wait_for("damaged", SOURCE_STATE_ENDED)
    times = media_times(decoder, "damaged")
    assert times[0] == 0
    assert times[-1] == 9900
    # All of the group is left out, and nothing else.
    assert times == [ms for ms in range(0, 10_000, 100) if not 3000 <= ms < 4000]
    assert decoder.metric('hermes_frames_total{camera="damaged",outcome="damaged"}') == 10
    assert decoder.metric('hermes_frames_total{camera="damaged",outcome="decode_error"}') >= 1
    chunks = decoder.chunks("damaged")
    after = [(c.frames[0].media_time_ms, c.gap_reason) for c in chunks if c.discontinuity]
    assert after == [(4000, GAP_REASON_DAMAGED)]


def test_live_pacing_plays_at_its_own_speed_and_loops(decoder: DecoderService) -> None:
    video.write(decoder.media / "clip.mp4", 20, rate=10)
    decoder.add("clip", "clip.mp4", pacing=PACING_LIVE, loop=True, fps=5)
    decoder.wait_for("clip", SOURCE_STATE_ONLINE)
    eventually(lambda: len(decoder.frames("clip")) >= 25, name="frames of a second round")
    frames = decoder.frames("clip")[:25]
    assert [f.media_time_ms for f in frames] == [200 * (i % 10) for i in range(25)]
    assert all(chunk.live for chunk in decoder.chunks("clip"))
    # Two whole rounds of two seconds, and four fifths of a second of the third.
    took_s = (frames[24].capture_time_ms - frames[0].capture_time_ms) / 1000
    assert 4.7 <= took_s <= 7.0
    assert 2.0 <= decoder.status("clip").frames_per_second <= 6.0


def test_a_file_waits_for_its_reader_and_survives_its_process(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    limit = 64 << 10
    with DecoderService(redis_url, tmp_path, HERMES_UNREAD_MAX_BYTES=str(limit)) as decoder:
        video.write(decoder.media / "long.mp4", 300, rate=10)
        decoder.add("long", "long.mp4", fps=10)
        decoder.wait_for("long", SOURCE_STATE_ONLINE)

        def bytes_in_log() -> int:
            return sum(chunk.ByteSize() for chunk in decoder.chunks("long"))

        eventually(lambda: bytes_in_log() > limit * 0.8, name="log filled to the limit")
        # It waits, heartbeats go on; then it is killed in the middle of that.
        pid = decoder.camera_pid("long")
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: decoder.camera_pid("long") != pid, name="a new process")
        decoder.wait_for("long", SOURCE_STATE_ONLINE)
        assert limit * 0.8 < bytes_in_log() <= limit

        def read_on() -> bool:
            last = decoder.log.last_id("long")
            redis_client.hset(keys.status("long"), MEMORY_ID, str(last))
            return decoder.status("long").state == SOURCE_STATE_ENDED

        eventually(read_on, name="end of the file")
        assert media_times(decoder, "long") == list(range(0, 30_000, 100))
        chunks = decoder.chunks("long")
        assert len({chunk.epoch for chunk in chunks}) == 1
        assert [c.first_frame_index for c in chunks] == list(
            accumulate((len(c.frames) for c in chunks[:-1]), initial=0)
        )
        assert decoder.status("long").dropped_frames == 0


def test_a_file_that_was_cut_says_how_much_of_it_was_read(decoder: DecoderService) -> None:
    for suffix in ("mp4", "mkv"):
        whole = video.write(decoder.media / f"whole.{suffix}", 300, rate=10).read_bytes()
        (decoder.media / f"cut.{suffix}").write_bytes(whole[: len(whole) // 2])
        decoder.add(suffix, f"cut.{suffix}")
    late = video.write(decoder.media / "late.mov", 300, rate=10)  # its index is at the end
    late.write_bytes(late.read_bytes()[: late.stat().st_size // 2])
    stub = (decoder.media / "whole.mp4").read_bytes()
    with av.open(str(decoder.media / "whole.mp4")) as container:
        first = next(iter(container.demux(video=0))).pos or 0
    (decoder.media / "stub.mp4").write_bytes(stub[: first + 1])
    (decoder.media / "growing.mp4").write_bytes(stub[: len(stub) // 50])
    decoder.add("stub", "stub.mp4")
    decoder.add("growing", "growing.mp4")
    decoder.add("late", "late.mov")
    said = {id: decoder.wait_for(id, SOURCE_STATE_ENDED).error_message for id in ("mp4", "mkv")}
    assert re.fullmatch(
        r"the file is cut: 1\d\.\d of 30\.0 s, [\d.]+ kB of [\d.]+ kB, could be read", said["mp4"]
    )
    assert re.fullmatch(r"the file is cut: 1\d\.\d of 30\.0 s could be read", said["mkv"])
    for camera_id, words in {"stub": "of 30.0 s", "late": "its index (moov) is missing"}.items():
        status = decoder.wait_for(camera_id, SOURCE_STATE_FAILED, SOURCE_ERROR_CODEC)
        assert words in status.error_message
    status = decoder.wait_for("growing", SOURCE_STATE_OFFLINE, SOURCE_ERROR_CODEC)
    assert status.error_message == "the file ends too soon: it is cut, or is still being written"
    (decoder.media / "growing.mp4").write_bytes(stub)
    decoder.wait_for("growing", SOURCE_STATE_ENDED)


def test_what_is_no_video_says_what_to_do(decoder: DecoderService) -> None:
    gif = decoder.media / "moving.gif"
    with av.open(gif, "w") as container:
        stream = container.add_stream("gif", rate=5)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8"
        for index in range(10):
            frame = video.picture(index, 64, 48).reformat(format="rgb8")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (decoder.media / "still.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 500)
    for camera_id, name, part in (("gif", "moving.gif", "gif"), ("png", "still.png", "png_pipe")):
        decoder.add(camera_id, name)
        status = decoder.wait_for(camera_id, SOURCE_STATE_FAILED, SOURCE_ERROR_REFUSED)
        assert status.error_message == (
            "its format is not read here: give a video file, or make one of it, for example with"
            f" ffmpeg -i IN -pix_fmt yuv420p OUT.mp4 (format: {part})"
        )
