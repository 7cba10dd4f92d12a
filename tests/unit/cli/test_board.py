"""What `hermes up` shows: drawn or said once for each change, and old states named as old."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import datetime

import pytest
from rich.console import Console

from hermes.client import Camera
from hermes.client.types import camera_of
from hermes.v1.camera_pb2 import CameraInfo, SourceState
from services.cli.board import LineBoard, Picture, TableBoard, board_for, first_rows
from services.cli.supervision import Away

NOON = datetime(2026, 11, 29, 12, 0, 3)


def camera(camera_id: str, state: SourceState = SourceState.SOURCE_STATE_ONLINE) -> Camera:
    info = CameraInfo()
    info.camera.id, info.source.state = camera_id, state
    return camera_of(info)


def console(*, terminal: bool, height: int = 24) -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    made = Console(
        file=written,
        force_terminal=terminal,
        width=100,
        height=height,
        highlight=False,
        _environ={"TERM": "xterm"},
    )
    return made, written


def test_lines_once_for_each_change() -> None:
    made, written = console(terminal=False)
    with LineBoard(made) as board:
        picture = Picture((camera("lobby"),))
        for _ in range(3):
            board.show(picture)
        old = replace(picture, stale_since=NOON, stale_why="no gateway", disk="/s: full (0 KiB)")
        for second in range(3):
            board.show(replace(old, stale_why=f"no gateway {second}", disk=f"/s: full ({second})"))
        board.show(picture)
        board.show(Picture((camera("lobby", SourceState.SOURCE_STATE_OFFLINE),)))
        board.show(Picture(()))
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in written.getvalue().splitlines()]
    assert lines == [
        "camera lobby: online, memory ",
        "the cameras' states are not refreshed since 12:00:03: no gateway 0",
        "/s: full (0)",
        "the cameras' states are refreshed again",
        "the disk can be written to again",
        "camera lobby: offline, memory ",
        "camera lobby: removed",
    ]


def test_a_table_is_drawn_when_something_has_changed() -> None:
    made, written = console(terminal=True)
    with TableBoard(made) as board:
        picture = Picture((camera("lobby"),))
        board.show(picture)
        drawn = len(written.getvalue())
        board.show(replace(picture))
        assert len(written.getvalue()) == drawn
        board.show(replace(picture, stale_since=NOON, stale_why="x", away=(Away("worker", NOON),)))
    shown = written.getvalue()[drawn:]
    assert "worker is being restarted, since 12:00:03" in shown
    assert "not refreshed since 12:00:03: x" in shown


def test_what_does_not_fit_is_counted() -> None:
    made, written = console(terminal=True, height=10)
    cameras = [camera(f"c{n}") for n in range(9)]
    cameras[7] = camera("c7", SourceState.SOURCE_STATE_FAILED)
    with TableBoard(made) as board:
        board.show(Picture(tuple(cameras)))
    assert "and 4 more; of 9: 8 online, 1 failed (hermes camera list)" in written.getvalue()


def test_cameras_in_trouble_are_shown_first_where_not_all_fit() -> None:
    cameras = [camera(f"c{n}") for n in range(9)]
    cameras[7] = camera("c7", SourceState.SOURCE_STATE_FAILED)
    assert first_rows(cameras, 9) == (cameras, 0)
    shown, more = first_rows(cameras, 4)
    assert ([one.id for one in shown], more) == (["c7", "c0", "c1"], 6)


@pytest.mark.parametrize(("term", "table"), [("xterm", True), ("dumb", False)])
def test_a_dumb_terminal_gets_lines(term: str, table: bool) -> None:
    made = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": term})
    assert isinstance(board_for(made, made), TableBoard) == table
