"""`hermes memory frames` and `hermes camera snapshot`: pictures of a camera."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hermes.client import FramePicture, HermesClient
from hermes.client.requests import CALL_TIMEOUT_S
from hermes.errors import HermesError, InvalidInput
from services.cli.connection import DEFAULT_GATEWAY, Gateway, TokenFile, open_client
from services.cli.durations import duration_of, shown_position
from services.cli.figures import human_bytes
from services.cli.local_times import moment_of, shown_moment
from services.cli.output import err, fail, out
from services.cli.progress import calling, waiting

LONGEST_S = 86_400.0


def frames(
    camera: Annotated[str, typer.Argument(help="Id of the camera.")],
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    last: Annotated[
        str | None,
        typer.Option(help="Only frames of the last 10s, 10m, 1h30m.", show_default=False),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", help="Only frames from then on: 14:00, or ISO 8601.", show_default=False
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Only frames until then.", show_default=False)
    ] = None,
    limit: Annotated[
        int, typer.Option(min=0, help="At most so many, spread over the time; 0: all.")
    ] = 0,
    folder: Annotated[
        Path | None,
        typer.Option("--out", "-o", file_okay=False, help="Write the pictures to this folder."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, max=LONGEST_S, help="Seconds for all of them.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a frame.")] = False,
) -> None:
    """List the frames that a camera's memory holds; with --out, write their pictures."""
    since, until = between(last, start, end, datetime.now(UTC))
    count = shown = 0
    with (
        open_client(gateway, token_file) as client,
        client.frames(
            camera,
            start=since,
            end=until,
            limit=limit,
            without_pictures=folder is None,
            timeout=timeout,
        ) as stream,
        waiting("waiting for the frames") as over,
    ):
        for frame in stream:
            over()
            path = None if folder is None or not frame.jpeg else _written(folder, camera, frame)
            count, shown = count + 1, shown + bool(frame.bytes)
            if as_json:
                print(json.dumps(_plain(frame, path)), flush=True)
            else:
                out.print(line_of(frame, path), markup=False, soft_wrap=True)
    if not as_json:
        err.print(f"[dim]{count:,} frames, {shown:,} with a picture[/]")


def snapshot(
    camera: Annotated[str, typer.Argument(help="Id of the camera.")],
    file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            dir_okay=False,
            help="The file to write; -: standard output.",
            show_default="CAMERA.jpg",
        ),
    ] = None,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
) -> None:
    """Write the picture of the newest frame in a camera's memory."""
    with calling(gateway, token_file) as client:
        newest = client.snapshot(camera)
    path = Path(f"{camera}.jpg") if file is None else file
    if path == Path("-"):
        sys.stdout.buffer.write(newest.jpeg)
        sys.stdout.buffer.flush()
        return
    _write(path, newest.jpeg)
    when = shown_moment(newest.captured, datetime.now(UTC))
    out.print(f"written: {path}, captured {when}", markup=False, soft_wrap=True)


def kept_pictures(client: HermesClient, camera: str) -> str:
    """How many pictures are kept, in a line; "" if there are none, or they are not ours to see."""
    try:
        with client.frames(camera, without_pictures=True, timeout=CALL_TIMEOUT_S) as stream:
            sizes = [frame.bytes for frame in stream]
    except HermesError:  # what was asked for is there all the same
        return ""
    shown = sum(size > 0 for size in sizes)
    if not shown:
        return ""
    return (
        f"pictures of {shown:,} of these {len(sizes):,} frames are kept,"
        f" {human_bytes(sum(sizes))}: hermes memory frames {camera}"
    )


def between(
    last: str | None, start: str | None, end: str | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The times that --last, --from and --to name. Raises `InvalidInput`."""
    if last is not None:
        if start is not None or end is not None:
            raise InvalidInput("--last", "cannot be combined with --from and --to")
        try:
            return now - duration_of(last, "--last"), None
        except OverflowError:
            raise InvalidInput("--last", f"{last!r} is too long") from None
    since = None if start is None else moment_of(start, "--from", now)
    until = None if end is None else moment_of(end, "--to", now, after=since)
    if since is not None and until is not None and since > until:
        raise InvalidInput("--to", "lies before --from")
    return since, until


def line_of(frame: FramePicture, path: Path | None) -> str:
    """A frame for people: its number, when it was captured, and its picture."""
    local = frame.captured.astimezone()
    when = f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03}"
    media = "" if frame.media_s is None else f"  {shown_position(frame.media_s):>8}"
    size = human_bytes(frame.bytes) if frame.bytes else "no picture"
    return f"{frame.number:>8}  {when}{media}  {size:>10}{'' if path is None else f'  {path}'}"


def _plain(frame: FramePicture, path: Path | None) -> dict[str, Any]:
    return {
        "frame": frame.number,
        "captured": frame.captured.isoformat(),
        "media_s": frame.media_s,
        "bytes": frame.bytes,
        "file": None if path is None else str(path),
    }


def _written(folder: Path, camera: str, frame: FramePicture) -> Path:
    stamp = f"{frame.captured.astimezone():%Y%m%d-%H%M%S-%f}"[:-3]
    path = folder / f"{camera}-{stamp}.jpg"
    _write(path, frame.jpeg)
    return path


def _write(path: Path, jpeg: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg)
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror}")
