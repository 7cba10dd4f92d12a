"""Files are opened below the media folder, whatever is exchanged there meanwhile."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import SOURCE_ERROR_NOT_FOUND, SOURCE_ERROR_REFUSED
from services.common.cameras import SourcePolicy
from services.decoder.faults import SourceFault
from services.decoder.media_file import open_media

OPENS = 3000
_AT_FDCWD, _EXCHANGE = -100, 2


@pytest.fixture
def media(tmp_path: Path) -> Path:
    media = tmp_path / "media"
    (media / "day").mkdir(parents=True)
    (media / "day" / "clip.mp4").write_text("inside")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "clip.mp4").write_text("outside")
    return media


def read(url: str, media: Path) -> str:
    with os.fdopen(open_media(url, SourcePolicy(media))) as file:
        return file.read()


@contextmanager
def exchanging(one: Path, other: Path) -> Iterator[None]:
    """Exchange two paths again and again, each time at once."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        pytest.skip("this system cannot exchange two paths at once")
    paths = _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE
    done = threading.Event()

    def run() -> None:
        while not done.is_set():
            libc.renameat2(*paths)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("exchanged", ["day", "day/clip.mp4"])
def test_no_open_escapes_while_a_link_is_put_in_place(media: Path, exchanged: str) -> None:
    link = media / "link"
    link.symlink_to(media.parent / "outside" / exchanged.removeprefix("day").strip("/"))
    seen = {"inside": 0, "refused": 0}
    with exchanging(media / exchanged, link):
        for _ in range(OPENS):
            try:
                seen[read("day/clip.mp4", media)] += 1
            except (InvalidInput, SourceFault):
                seen["refused"] += 1
    assert seen["inside"] > 0
    assert seen["refused"] > 0, "nothing was exchanged"


def test_links_that_lead_inside_work(media: Path) -> None:
    (media / "latest.mp4").symlink_to("day/clip.mp4")
    (media / "today").symlink_to(media / "day")
    for url in ("day/clip.mp4", "latest.mp4", "today/clip.mp4", "day/../today/clip.mp4",
                str(media / "today" / "clip.mp4"), f"file://{media}/latest.mp4"):  # fmt: skip
        assert read(url, media) == "inside"


def test_links_that_lead_outside_are_refused(media: Path) -> None:
    (media / "away").symlink_to(media.parent / "outside")
    for url in ("away/clip.mp4", "../outside/clip.mp4", str(media.parent / "outside/clip.mp4")):
        with pytest.raises(InvalidInput, match="outside the media folder"):
            read(url, media)


def test_what_cannot_be_opened_is_told(media: Path) -> None:
    os.mkfifo(media / "pipe")
    (media / "round").symlink_to("round")
    for url in ("none.mp4", "day", "pipe", "day/clip.mp4/x"):
        with pytest.raises(SourceFault) as refused:
            read(url, media)
        assert refused.value.error == SOURCE_ERROR_NOT_FOUND
    with pytest.raises((InvalidInput, SourceFault)):
        read("round", media)


def test_a_folder_that_may_only_be_passed_through(media: Path) -> None:
    (media / "day").chmod(0o111)
    assert read("day/clip.mp4", media) == "inside"
    (media / "day").chmod(0o755)
    if os.geteuid() != 0:
        (media / "day" / "clip.mp4").chmod(0)
        with pytest.raises(SourceFault) as refused:
            read("day/clip.mp4", media)
        assert refused.value.error == SOURCE_ERROR_REFUSED
