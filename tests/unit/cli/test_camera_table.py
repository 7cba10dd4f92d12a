"""Cameras as a table: whole ids everywhere, whole lines without a terminal."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from hermes.client import Camera
from hermes.client.types import camera_of
from hermes.v1 import camera_pb2
from services.cli.camera_table import CameraTable
from tests.support.examples import at_most

LONG_ID = "gate-" + "0123456789" * 5 + "-end"
NOTE = "codec: not a video that can be decoded, or a stream that ended before its first frame"
HEADING = "camera source memory fps frames tokens KV cache lag note"


def camera(camera_id: str = "lobby", note: str = "", **source: object) -> Camera:
    info = camera_pb2.CameraInfo()
    info.camera.id = camera_id
    info.camera.url = "rtsp://camera/live"
    made = camera_of(info)
    return replace(
        made,
        source=replace(made.source, state="online", error_message=note, **source),  # type: ignore[arg-type]
        memory=replace(made.memory, state="serving", frames=90, tokens=192, bytes=983_040),
    )


def shown(
    cameras: list[Camera], width: int = 80, *, terminal: bool = True, wide: bool = False
) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, no_color=True)
    console.print(CameraTable(cameras, wide=wide), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())
    return plain.splitlines()


def test_a_pipe_has_whole_lines() -> None:
    """However long ids and notes are, and whatever the width."""
    lines = shown([camera(LONG_ID, NOTE), camera("dock")], 20, terminal=False)
    assert len(lines) == 3
    assert " ".join(lines[0].split()) == HEADING
    assert lines[1].split()[0] == LONG_ID
    assert lines[1].endswith(NOTE)
    assert lines[2].split()[0] == "dock"
    assert not [line for line in lines if line != line.rstrip()]


def test_a_note_of_several_lines_is_one_line_and_steers_no_terminal() -> None:
    lines = shown([camera(note="a\nb\x1b[2Jc\r\td")], terminal=False)
    assert len(lines) == 2
    assert lines[1].endswith("  a b[2Jc d")


@pytest.mark.parametrize(
    ("width", "left"),
    [
        (120, HEADING),
        (60, "camera source memory frames note"),
        (40, "camera source note"),
    ],
)
def test_a_narrow_terminal_drops_columns_by_worth(width: int, left: str) -> None:
    lines = shown([camera("lobby", NOTE), camera("dock")], width)
    assert " ".join(lines[0].split()) == left
    assert all(len(line) <= width for line in lines)
    assert NOTE in " ".join(" ".join(lines).split())


def test_an_id_is_never_cut() -> None:
    """A long one has a line of its own; the columns of the other cameras stay."""
    lines = shown([camera(LONG_ID, NOTE), camera("dock", NOTE)], 60)
    assert " ".join(lines[0].split()) == "camera source note"
    assert lines[1] == LONG_ID
    assert lines[2].split()[0] == "online"
    assert next(line for line in lines if line.startswith("dock")).split()[1] == "online"
    lines = shown([camera(LONG_ID, NOTE)], 20)
    assert LONG_ID in lines
    assert NOTE in " ".join(" ".join(lines[2:]).split())


def test_a_whole_table_can_be_dimmed() -> None:
    table = CameraTable([camera()])
    table.style = "dim"
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    assert all(
        "\x1b[1;2m" in line or "\x1b[2" in line for line in console.file.getvalue().splitlines()
    )


def test_wide_shows_where_a_camera_is_and_no_secret() -> None:
    made = camera(last_frame=datetime(2026, 1, 1, 12, tzinfo=UTC), reconnects=3, decoder="d-1")
    made = replace(made, url="rtsp://u:hunter2@camera/live?token=hunter2")
    made = replace(made, memory=replace(made.memory, worker="w-1", epoch=7))
    lines = shown([made], 40, wide=True)
    assert len(lines) == 2
    assert "hunter2" not in lines[1]
    for word in ("camera/live", "w-1", "7", "d-1", "2026-01-01T12:00:00Z", "3"):
        assert word in lines[1]


def test_wide_shows_labels_and_the_display_name() -> None:
    named = replace(camera("dock"), labels={"site": "dock", "floor": "2"}, display_name="G\x1b 3")
    heading, row, plain = shown([named, camera("lobby")], 40, wide=True)
    assert heading.split()[-4:] == ["labels", "display", "name", "note"]
    assert row.endswith("floor=2,site=dock  G 3")
    assert plain.split()[-2:] == ["-", "-"]
    assert "labels" not in "".join(shown([named], 200))


def test_a_dumb_terminal_is_as_wide_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "60")
    console = Console(file=io.StringIO(), force_terminal=True, _environ=dict(os.environ))
    console.print(CameraTable([camera("lobby", NOTE)]), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "\x1b" not in text
    assert all(len(line) <= 60 for line in text.splitlines())


@settings(max_examples=at_most(60), deadline=None)
@given(
    ids=st.lists(st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True), min_size=1, max_size=5),
    note=st.text(max_size=120),
    width=st.integers(20, 200),
)
def test_any_camera_fits_any_terminal(ids: list[str], note: str, width: int) -> None:
    lines = shown([camera(each, note) for each in ids], width)
    for each in ids:
        assert any(line.split()[:1] == [each] for line in lines)
    longest = max(map(len, ids))
    assert all(cell_len(line) <= max(width, longest) for line in lines)
    piped = shown([camera(each, note) for each in ids], width, terminal=False)
    assert len(piped) == 1 + len(ids)
