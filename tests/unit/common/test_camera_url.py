from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.camera_url import Ambiguous, CameraUrl, doubtful
from services.common.redaction import redact, secrets_of


@pytest.mark.parametrize(
    ("typed", "encoded"),
    [
        ("rtsp://host/s", "rtsp://host/s"),
        ("RTSP://Host:554/S?a=b#c", "rtsp://Host:554/S?a=b#c"),
        ("rtsp://admin@host/s", "rtsp://admin@host/s"),
        ("rtsp://admin:p@ss@host/s", "rtsp://admin:p%40ss@host/s"),
        ("rtsp://admin:a:b@host/s", "rtsp://admin:a%3Ab@host/s"),
        ("rtsp://admin:pa/ss@host/s", "rtsp://admin:pa%2Fss@host/s"),
        ("rtsp://admin:/x@host/s", "rtsp://admin:%2Fx@host/s"),
        ("rtsp://admin:#1@host/s", "rtsp://admin:%231@host/s"),
        ("rtsp://admin:?@host/s", "rtsp://admin:%3F@host/s"),
        ("rtsp://admin:100%@host/s", "rtsp://admin:100%25@host/s"),
        ("rtsp://admin:p%40s%zz@host/s", "rtsp://admin:p%40s%25zz@host/s"),
        ("rtsp://admin:p%E9@host/s", "rtsp://admin:p%E9@host/s"),
        ("rtsp://admin:pé@host/s", "rtsp://admin:p%C3%A9@host/s"),
        ("rtsp://admin:a[b]c@[::1]:554/s", "rtsp://admin:a%5Bb%5Dc@[::1]:554/s"),
        ("rtsp://u:p@ss:w/o#r?d%1@10.0.0.7:554/x", "rtsp://u:p%40ss%3Aw%2Fo%23r%3Fd%251@10.0.0.7:554/x"),
        ("rtsp://admin:pa/ss@10.0.0.7/s?mail=x@y", "rtsp://admin:pa%2Fss@10.0.0.7/s?mail=x@y"),
        ("rtsp://admin:p@ss/w@10.0.0.7/s", "rtsp://admin:p%40ss%2Fw@10.0.0.7/s"),
        ("rtsp://u:Pa@ss/wo:rd#1?2%3@h.example:5/x", "rtsp://u:Pa%40ss%2Fwo%3Ard%231%3F2%253@h.example:5/x"),
        # What follows a / is a path, where a host comes before it beyond doubt.
        ("http://10.0.0.7:80/a@b.example", "http://10.0.0.7:80/a@b.example"),
        ("rtsp://u:p@cam.example/x@10.0.0.7", "rtsp://u:p@cam.example/x@10.0.0.7"),
        ("http://camera/live@10.0.0.7", "http://camera/live@10.0.0.7"),
        ("rtsp://user:12/34@cam/s", "rtsp://user:12/34@cam/s"),
        ("rtsp://user:p@ss/w@cam/s", "rtsp://user:p@ss/w@cam/s"),
    ],
)  # fmt: skip
def test_a_url_is_read_as_it_was_typed(typed: str, encoded: str) -> None:
    assert CameraUrl.read(typed).encoded == encoded
    assert CameraUrl.read(encoded).encoded == encoded


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:12/34@10.0.0.7/s",
        "rtsp://admin:p@ss:12/w@10.0.0.7/s",
        "rtsp://admin:p@ss?w@10.0.0.8/c@cam.example:554/s",
        "rtsp://admin:a/b@10.0.0.7/c@10.0.0.8",
    ],
)
def test_a_url_that_can_be_read_in_two_ways_is_not_guessed_at(url: str) -> None:
    with pytest.raises(Ambiguous):
        CameraUrl.read(url)
    assert doubtful(url)


@given(st.text(st.characters(codec="utf-8", exclude_characters="%"), min_size=1, max_size=20))
def test_a_password_that_is_read_is_the_one_that_was_typed(password: str) -> None:
    url = f"rtsp://admin:{password}@10.0.0.7:8554/live"
    try:
        read = CameraUrl.read(url)
    except Ambiguous:
        return
    if read.credentials == f"admin:{password}":
        parts = urlsplit(read.encoded)
        assert (parts.hostname, parts.port, parts.path) == ("10.0.0.7", 8554, "/live")
    else:
        assert doubtful(url)


@given(st.text(max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    with suppress(Ambiguous):
        CameraUrl.read(text)
    doubtful(text)


def test_every_piece_of_a_password_that_was_read_as_a_path_is_a_secret() -> None:
    url = "rtsp://user:12/hunter2@cam/live"
    shown = redact("no host user; DESCRIBE /hunter2@cam/live: 404", secrets_of(url))
    assert "hunter2" not in shown
