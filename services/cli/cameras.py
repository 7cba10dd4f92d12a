"""`hermes camera`: add, list, get, update and remove cameras while everything runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hermes.client import Camera, Picture
from hermes.errors import InvalidInput
from hermes.labels import read_changes, read_labels
from hermes.selector import Selector
from services.cli.camera_check import check as look
from services.cli.camera_details import details_of
from services.cli.connection import DEFAULT_GATEWAY, Gateway, TokenFile
from services.cli.frames import snapshot
from services.cli.output import err, print_cameras, print_lines
from services.cli.progress import calling

app = typer.Typer(
    help="Add, list, look at, update and remove cameras.",
    no_args_is_help=True,
    add_completion=False,
)


class OutputChoice(StrEnum):
    """How cameras are printed."""

    table = "table"
    wide = "wide"
    name = "name"
    json = "json"


Output = Annotated[
    OutputChoice,
    typer.Option(
        "--output", "-o", help="wide: every column, one line a camera. name: ids alone. json: all."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="The same as --output json.")]
Id = Annotated[str, typer.Argument(help="Id of the camera.")]


class PacingChoice(StrEnum):
    """How a source is read."""

    default = "default"
    live = "live"
    as_fast_as_read = "as_fast_as_read"


class TransportChoice(StrEnum):
    """How the packets of an RTSP source travel."""

    auto = "auto"
    tcp = "tcp"
    udp = "udp"


@app.command("add")
def add(
    camera: Id,
    url: Annotated[
        str | None,
        typer.Argument(
            help="rtsp://, http(s)://, or a file in the media folder.", show_default=False
        ),
    ] = None,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    fps: Annotated[float, typer.Option(min=0, help="Frames sampled a second; 0: default.")] = 0.0,
    pacing: Annotated[
        PacingChoice, typer.Option(help="live: play a file at its own speed.")
    ] = PacingChoice.default,
    loop: Annotated[bool, typer.Option("--loop", help="Start a file again at its end.")] = False,
    rotate: Annotated[
        int | None,
        typer.Option(
            help="Degrees to turn the picture clockwise: 0, 90, 180, 270.",
            show_default="as the source says",
        ),
    ] = None,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Mirror the picture left to right, once turned.")
    ] = False,
    aspect: Annotated[
        str,
        typer.Option(
            help="Shape of the picture before it is turned, e.g. 16:9; square: that of its pixels.",
            show_default="as the source says",
        ),
    ] = "",
    transport: Annotated[
        TransportChoice, typer.Option(help="How the packets of an RTSP source travel.")
    ] = TransportChoice.auto,
    color: Annotated[
        str,
        typer.Option(
            help="bt601, bt709, bt2020, limited, full, or e.g. bt709-full.",
            show_default="as the source says",
        ),
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option(help="KEY=VALUE, to select the camera by; repeatable.", show_default=False),
    ] = None,
    display_name: Annotated[
        str, typer.Option(help="What people call the camera.", show_default=False)
    ] = "",
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Only open the source and say what it is; the id may be left out."
        ),
    ] = False,
    thumbnail: Annotated[
        Path | None,
        typer.Option(
            help="With --check: write a picture of the source there, as a JPEG.",
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    output: Output = OutputChoice.table,
    as_json: Json = False,
) -> None:
    """Add a camera. Frames are in memory some seconds later."""
    output = _chosen(output, as_json)
    picture = Picture(rotate, mirror, aspect, transport.value, color)
    if check:
        camera_id, url = ("", camera) if url is None else (camera, url)
        as_json = output is OutputChoice.json
        look(gateway, token_file, camera_id, url, fps, picture, thumbnail, as_json=as_json)
        return
    if url is None:
        raise typer.BadParameter("is missing", param_hint="URL")
    if thumbnail is not None:
        raise InvalidInput("--thumbnail", "is for --check alone")
    labels = read_labels(label or [], "--label")
    with calling(gateway, token_file) as client:
        added = client.add_camera(
            camera,
            url,
            frames_per_second=fps,
            pacing=pacing.value,
            loop=loop,
            picture=picture,
            labels=labels,
            display_name=display_name,
        )
    _show(added, output)


@app.command("list")
def list_cameras(
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            help="Only cameras with such labels: 'site=dock', 'floor!=2', 'site in (dock, yard)',"
            " 'roof', '!roof'; a comma, or a second --label, means and.",
            show_default=False,
        ),
    ] = None,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    output: Output = OutputChoice.table,
    as_json: Json = False,
) -> None:
    """List cameras with their sources and memories."""
    output = _chosen(output, as_json)
    selector = _selector(label or [])
    with calling(gateway, token_file) as client:
        cameras = client.list_cameras(selector)
    if output is OutputChoice.json:
        print(json.dumps([_plain(camera) for camera in cameras], indent=2))
    elif cameras:
        _print(cameras, output)
    elif selector:
        err.print(f"no camera has such labels: {selector}", markup=False)
    else:
        err.print("no cameras yet: hermes camera add ID URL")


@app.command("get")
def get(
    camera: Id,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    output: Output = OutputChoice.table,
    as_json: Json = False,
) -> None:
    """Show one camera."""
    output = _chosen(output, as_json)
    with calling(gateway, token_file) as client:
        found = client.get_camera(camera)
    _show(found, output)
    if output in (OutputChoice.table, OutputChoice.wide):
        print_lines(details_of(found))


app.command("snapshot")(snapshot)


@app.command("update")
def update(
    camera: Id,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUE to put a label, KEY- to remove it; repeatable.", show_default=False
        ),
    ] = None,
    display_name: Annotated[
        str | None,
        typer.Option(help="What people call the camera; '' removes it.", show_default=False),
    ] = None,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    output: Output = OutputChoice.table,
    as_json: Json = False,
) -> None:
    """Change a camera's labels and its display name. It keeps its memory."""
    output = _chosen(output, as_json)
    put, removed = read_changes(label or [], "--label")
    if not label and display_name is None:
        raise typer.BadParameter("give --label or --display-name", param_hint="ID")
    with calling(gateway, token_file) as client:
        updated = client.update_camera(
            camera, put_labels=put, remove_labels=removed, display_name=display_name
        )
    _show(updated, output)
    if output in (OutputChoice.table, OutputChoice.wide):
        print_lines(details_of(updated))


@app.command("remove")
def remove(camera: Id, gateway: Gateway = DEFAULT_GATEWAY, token_file: TokenFile = None) -> None:
    """Remove a camera with its frames and its memory."""
    with calling(gateway, token_file) as client:
        client.remove_camera(camera)


def _chosen(output: OutputChoice, as_json: bool) -> OutputChoice:
    if as_json and output not in (OutputChoice.table, OutputChoice.json):
        raise InvalidInput("--output", f"{output.value} and --json exclude each other")
    return OutputChoice.json if as_json else output


def _selector(texts: list[str]) -> str:
    """The selectors of the command line as one."""
    for text in texts:
        Selector.parse(text, "--label")
    return ",".join(text for text in map(str.strip, texts) if text)


def _show(camera: Camera, output: OutputChoice) -> None:
    if output is OutputChoice.json:
        print(json.dumps(_plain(camera), indent=2))
    else:
        _print([camera], output)


def _print(cameras: list[Camera], output: OutputChoice) -> None:
    if output is OutputChoice.name:
        for camera in cameras:
            print(camera.id)
    else:
        print_cameras(cameras, wide=output is OutputChoice.wide)


def _plain(camera: Camera) -> dict[str, Any]:
    text = json.dumps(asdict(camera), default=lambda value: value.isoformat())
    plain: dict[str, Any] = json.loads(text)
    return plain
