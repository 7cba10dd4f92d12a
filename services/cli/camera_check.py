"""`hermes camera add --check`: what a source is, before it is added."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from hermes.client import Picture, Probe
from hermes.errors import InvalidInput
from services.cli.camera_details import picture_line
from services.cli.connection import open_client
from services.cli.figures import human_bytes
from services.cli.output import fail, out, print_lines
from services.cli.progress import waiting


def check(
    gateway: str,
    token_file: Path | None,
    camera_id: str,
    url: str,
    fps: float,
    picture: Picture,
    thumbnail: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print what a decoder finds. Exits with 1 if no frame can be taken."""
    with (
        open_client(gateway, token_file) as client,
        waiting("a decoder is opening the source"),
    ):
        found = client.probe_camera(
            url,
            camera_id=camera_id,
            frames_per_second=fps,
            picture=picture,
            thumbnail=thumbnail is not None,
        )
    if thumbnail is not None and found.thumbnail:
        _write(thumbnail, found.thumbnail)
    if as_json:
        print(json.dumps(_plain(found), indent=2))
    else:
        print_lines(lines_of(found))
    if found.error:
        fail(f"{found.error}: {_printable(found.error_message)}")
    if thumbnail is not None and not found.thumbnail:
        fail(f"{thumbnail}: the decoder sent no picture")
    if not as_json:
        out.print("[dim]nothing was added; leave --check out to add it[/]")


def lines_of(found: Probe) -> Iterator[str]:
    """Lines for people."""
    picture = found.picture
    if picture is None:
        return
    if found.frame_bytes:
        yield f"picture: {picture_line(picture)}"
    elif picture.coded_width:  # it was opened, and that is all
        yield f"opened: {_printable(picture.codec)}, {picture.coded_width}x{picture.coded_height}"
    if found.key_frame_interval_s is not None:
        seconds = f"{found.key_frame_interval_s:.1f} s"
        every = f"at least {seconds} apart" if found.key_frame_interval_open else f"every {seconds}"
        yield f"key frames: {every}"
    if found.length_s is not None:
        yield f"length: {found.length_s:.1f} s"
    if found.frame_bytes:
        size = human_bytes(found.frame_bytes)
        yield f"frames: {found.frames_per_second:.3g} a second, the first of {size}"
    yield f"decoder: {_printable(found.decoder)}"


def _write(path: Path, jpeg: bytes) -> None:
    try:
        path.write_bytes(jpeg)
    except OSError as error:
        raise InvalidInput("--thumbnail", f"cannot be written: {error.strerror}") from None


def _plain(found: Probe) -> dict[str, object]:
    plain = asdict(found)
    plain["thumbnail"] = base64.b64encode(found.thumbnail).decode()
    return plain


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable())
