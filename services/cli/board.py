"""What `hermes up` shows while it runs: a table in a terminal, lines elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.styled import Styled
from rich.text import Text

from hermes.client import Camera
from services.cli.output import camera_table
from services.cli.supervision import Away

FOOTER_ROWS = 4
"""Rows of the terminal that are left for what is said below the table, and for its head."""
_CALM = ("online", "ended")


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known at a moment. `stale_since`: the cameras are those of then; None: of now."""

    cameras: tuple[Camera, ...]
    stale_since: datetime | None = None
    stale_why: str = ""
    away: tuple[Away, ...] = ()
    disk: str = ""

    def remarks(self) -> list[str]:
        """What is wrong now, one line each."""
        lines = [
            f"{one.name} is being restarted, since {_clock(one.since)}" for one in self.away
        ]
        if self.stale_since is not None:
            lines.append(f"not refreshed since {_clock(self.stale_since)}: {self.stale_why}")
        if self.disk:
            lines.append(self.disk)
        return lines


class Board(Protocol):
    """Shows pictures, and says what happens."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        ...

    def show(self, picture: Picture) -> None:
        """Show it, unless it is what is shown already."""
        ...

    def say(self, text: str) -> None:
        """Say what has happened."""
        ...


def board_for(console: Console, lines: Console) -> Board:
    """A table where one can be drawn over and over, else lines."""
    if console.is_terminal and not console.is_dumb_terminal:
        return TableBoard(console)
    return LineBoard(lines)


class TableBoard:
    """A table that is drawn anew when something in it has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._shown: object = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, picture: Picture) -> None:
        """Draw it, unless it is what is shown already."""
        wanted = (picture, self._console.size)
        if wanted == self._shown:
            return
        self._shown = wanted
        remarks = [Text(text, style="yellow") for text in picture.remarks()]
        room = max(1, self._console.height - FOOTER_ROWS - len(remarks))
        rows, more = first_rows(picture.cameras, room)
        style = "" if picture.stale_since is None else "dim"
        table = Styled(camera_table(rows), style)
        below = [Text(_left_out(picture.cameras, more), style="dim")] if more else []
        self._live.update(Group(table, *below, *remarks), refresh=True)

    def say(self, text: str) -> None:
        """Say it above the table."""
        self._console.print(f"[dim]{_clock(datetime.now())}[/] {escape(text)}", soft_wrap=True)


class LineBoard:
    """Lines: one for each change, none for what stays as it is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._cameras: dict[str, str] = {}
        self._remarks: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to be done."""

    def show(self, picture: Picture) -> None:
        """Say what has changed since the last one."""
        cameras = {camera.id: _line(camera) for camera in picture.cameras}
        for camera_id, line in cameras.items():
            if self._cameras.get(camera_id) != line:
                self.say(f"camera {camera_id}: {line}")
        for camera_id in self._cameras.keys() - cameras.keys():
            self.say(f"camera {camera_id}: removed")
        self._cameras = cameras
        self._say_remarks(picture)

    def say(self, text: str) -> None:
        """Say it in a line."""
        self._console.print(f"{_clock(datetime.now())} {escape(text)}", soft_wrap=True)

    def _say_remarks(self, picture: Picture) -> None:
        remarks = {}
        if picture.stale_since is not None:
            since = _clock(picture.stale_since)
            remarks["cameras"] = f"the cameras' states are not refreshed since {since}"
        if picture.disk:
            remarks["disk"] = picture.disk.partition(" (")[0]
        for what, text in remarks.items():
            if what not in self._remarks:
                why = f": {picture.stale_why}" if what == "cameras" else ""
                self.say(picture.disk if what == "disk" else f"{text}{why}")
        if "cameras" in self._remarks and "cameras" not in remarks:
            self.say("the cameras' states are refreshed again")
        if "disk" in self._remarks and "disk" not in remarks:
            self.say("the disk can be written to again")
        self._remarks = remarks


def first_rows(cameras: Sequence[Camera], room: int) -> tuple[Sequence[Camera], int]:
    """The cameras that fit into `room` rows, those in trouble first, and how many are left out."""
    if len(cameras) <= room:
        return cameras, 0
    in_order = sorted(cameras, key=lambda camera: camera.source.state in _CALM)
    return in_order[: room - 1], len(cameras) - (room - 1)


def _left_out(cameras: Sequence[Camera], more: int) -> str:
    states = Counter(camera.source.state for camera in cameras)
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return f"and {more} more; of {len(cameras)}: {counted} (hermes camera list)"


def _line(camera: Camera) -> str:
    source = camera.source
    why = ": ".join(part for part in (source.error, source.error_message) if part)
    return f"{source.state}, memory {camera.memory.state}" + (f" ({why})" if why else "")


def _clock(time: datetime) -> str:
    return time.strftime("%H:%M:%S")
