"""`hermes evidence`: the frames that an answer rests on, and their pictures."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hermes.client import Evidence, EvidenceFrame
from services.cli.answer_details import evidence_lines
from services.cli.answer_json import plain_values
from services.cli.connection import DEFAULT_GATEWAY, Gateway, TokenFile
from services.cli.output import err, fail, print_lines
from services.cli.progress import calling

FRAMES = 3


def evidence(
    answer_id: Annotated[str, typer.Argument(help="Of an answer: `hermes ask --json` shows it.")],
    camera: Annotated[str, typer.Option("--camera", "-c", help="Id of the camera that answered.")],
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    frames: Annotated[int, typer.Option(min=1, help="The most frames to name.")] = FRAMES,
    folder: Annotated[
        Path | None,
        typer.Option("--evidence-dir", file_okay=False, help="Write the frames' pictures here."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Find the frames that an answer rests on, up to a minute after it was given."""
    with calling(gateway, token_file) as client:
        found = client.evidence(camera, answer_id, frames, pictures=folder is not None)
    files = {} if folder is None else write_pictures(found, camera, folder)
    if as_json:
        print(json.dumps(evidence_values(found, files)))
        return
    print_lines(evidence_lines(found, datetime.now(UTC)))
    for path in files.values():
        err.print(f"written: {path}", markup=False, soft_wrap=True)


def write_pictures(found: Evidence, camera: str, folder: Path) -> dict[int, Path]:
    """Write the pictures that came, named after camera and time. The files, by frame."""
    files = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for frame in found.frames:
            if frame.picture:
                files[frame.frame] = folder / f"{camera}-{_stamp(frame)}.jpg"
                files[frame.frame].write_bytes(frame.picture)
    except OSError as error:
        fail(f"cannot write to {folder}: {error.strerror}")
    return files


def evidence_values(found: Evidence, files: dict[int, Path]) -> dict[str, Any]:
    """As JSON has it: with the files of pictures in place of their bytes."""
    values: dict[str, Any] = plain_values(found)
    for frame in values["frames"]:
        path = files.get(frame["frame"])
        frame["file"] = None if path is None else str(path)
    return values


def _stamp(frame: EvidenceFrame) -> str:
    return frame.captured.astimezone().strftime("%Y%m%d-%H%M%S-%f")[:-3]
