"""Messages as plain Python records."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.text_format import Parse

from hermes.client.types import answer_of, camera_of
from hermes.v1.camera_pb2 import CameraInfo
from hermes.v1.query_pb2 import Complete


def test_a_camera_with_everything() -> None:
    info = Parse(
        """
        camera {
          id: "lobby" url: "rtsp://***@cam/live" pacing: PACING_LIVE created { seconds: 60 }
          sampling {
            frames_per_second: 2 chunk_max_frames: 8 chunk_max_duration { nanos: 500000000 }
          }
        }
        source {
          state: SOURCE_STATE_OFFLINE error: SOURCE_ERROR_NOT_FOUND error_message: "no such host"
          frames_per_second: 1.5 last_frame { seconds: 61 } reconnects: 3 dropped_frames: 4
          decoder: "d1"
        }
        memory {
          state: MEMORY_STATE_SERVING frames: 5 tokens: 6 bytes: 7 lag { nanos: 250000000 }
          worker: "w1" epoch: 8
          coverage {
            span { start { seconds: 60 } end { seconds: 90 } }
            gaps { start { seconds: 70 } end { seconds: 75 } }
            media_start {} media_end { seconds: 30 } frames: 5 frames_seen: 60
          }
        }
        """,
        CameraInfo(),
    )
    camera = camera_of(info)
    assert (camera.id, camera.url, camera.pacing) == ("lobby", "rtsp://***@cam/live", "live")
    assert camera.created == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert camera.chunk_max_duration_s == 0.5
    assert (camera.source.state, camera.source.error) == ("offline", "not_found")
    assert (camera.memory.state, camera.memory.lag_s) == ("serving", 0.25)
    coverage = camera.memory.coverage
    assert coverage.span is not None
    assert (coverage.span.end - coverage.span.start).total_seconds() == 30
    assert coverage.gaps[0].start.second == 10
    assert (coverage.media_start_s, coverage.media_end_s) == (0.0, 30.0)


def test_a_camera_with_nothing() -> None:
    camera = camera_of(CameraInfo())
    assert (camera.pacing, camera.source.state, camera.source.error) == ("default", "", "")
    assert (camera.created, camera.memory.lag_s, camera.memory.coverage.span) == (None, None, None)


def test_a_state_of_a_newer_server_is_its_number() -> None:
    info = CameraInfo()
    info.source.MergeFromString(b"\x08\x63")
    assert camera_of(info).source.state == "99"


def test_an_answer() -> None:
    complete = Parse(
        """
        finish_reason: FINISH_REASON_LENGTH question_tokens: 4 answer_tokens: 2 epoch: 9 model: "m"
        timings { gateway_time_to_first_token { nanos: 1500000 } }
        """,
        Complete(),
    )
    answer = answer_of("a car", complete)
    assert (answer.text, answer.finish_reason, answer.model) == ("a car", "length", "m")
    assert answer.timings.gateway_time_to_first_token_s == 0.0015
    assert answer.timings.warm_time_to_first_token_s is None
