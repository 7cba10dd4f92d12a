"""Cameras as URLs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hermes.client import between, in_file, last
from hermes.errors import InvalidInput
from services.web.openai.camera_url import CameraUrl, read_camera_url

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("camera://lobby", CameraUrl("lobby", "", None)),
        ("camera://Dock-2.north", CameraUrl("Dock-2.north", "", None)),
        ("camera://lobby?last=10m", CameraUrl("lobby", "", last(minutes=10))),
        (
            "camera://lobby?from=2026-11-29T12:00:00Z&to=2026-11-29T14:00:00%2B01:00",
            CameraUrl("lobby", "", between(NOON, datetime(2026, 11, 29, 13, tzinfo=UTC))),
        ),
        (
            "camera://lobby?to=2026-11-29T13:00:00+01:00",
            CameraUrl("lobby", "", between(None, NOON)),
        ),
        ("camera://film?media_from=80&media_to=125.5", CameraUrl("film", "", in_file(80, 125.5))),
        ("camera://?label=site%3Ddock", CameraUrl("", "site=dock", None)),
        ("camera://?label=site=dock&label=floor!=2", CameraUrl("", "site=dock,floor!=2", None)),
        ("camera://?label=site%3Ddock&last=1h", CameraUrl("", "site=dock", last(hours=1))),
    ],
)
def test_what_a_url_means(url: str, meant: CameraUrl) -> None:
    assert read_camera_url(url, "url") == meant


@pytest.mark.parametrize(
    ("url", "field", "said"),
    [
        ("https://videos.test/a.mp4", "url", "cameras are asked"),
        ("data:video/mp4;base64,AAAA", "url", "cameras are asked"),
        ("camera:lobby", "url", "cameras are asked"),
        ("camera://", "url", "one camera, or labels"),
        ("camera://lobby?label=a", "url", "not both"),
        ("camera://lobby/door", "url", "a path"),
        ("camera://lobby?since=10m", "url", "'since' is unknown"),
        ("camera://lobby?last=10", "url?last", "no duration"),
        ("camera://lobby?last=1m&last=2m", "url?last", "given twice"),
        ("camera://lobby?last=1m&from=2026-11-29T12:00:00Z", "url", "together with"),
        ("camera://lobby?from=2026-11-29T12:00:00", "url?from", "time zone"),
        ("camera://lobby?from=0001-01-01T00:00:00%2B23:00", "url?from", "no moment"),
        ("camera://lobby?media_from=soon", "url?media_from", "no number"),
        ("camera://?label=%3D%3D", "url?label", ""),
        ("camera://[", "url", ""),
        ("camera://lobby?" + "x" * 5000, "url", "too long"),
    ],
)
def test_what_no_url_of_a_camera_is(url: str, field: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_camera_url(url, "url")
    assert caught.value.field == field
    assert said in caught.value.message


def test_a_span_that_cannot_be_sent_is_refused_by_the_client() -> None:
    read: Any = read_camera_url("camera://film?media_from=nan", "url")
    assert read.span.start_s != read.span.start_s
