"""`hermes memory`: what a camera's memory holds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hermes import picture
from hermes.errors import InvalidInput
from services.cli.camera_table import width_of
from services.cli.connection import DEFAULT_GATEWAY, Gateway, TokenFile
from services.cli.frames import frames, kept_pictures
from services.cli.memory_picture import ASCII, memory_picture
from services.cli.output import fail, out
from services.cli.progress import calling

app = typer.Typer(help="Look inside memories.", no_args_is_help=True, add_completion=False)


@app.command("show")
def show(
    camera: Annotated[str, typer.Argument(help="Id of the camera.")],
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    file: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Draw a picture to this file: .png or .svg."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Everything, for machines: each frame of each layer.")
    ] = False,
) -> None:
    """Show which frames a camera's memory holds, how much of each, and in which layers."""
    with calling(gateway, token_file) as client:
        contents = client.inspect(camera)
        kept = "" if as_json or file is not None else kept_pictures(client, camera)
    if file is not None:
        try:
            picture.save(contents, file, title=camera)
        except InvalidInput as error:
            fail(f"--out: {error.message}")
        except OSError as error:
            fail(f"cannot write {file}: {error.strerror}")
    if as_json:
        print(json.dumps({"camera": camera, **asdict(contents)}))
    elif file is not None:
        out.print(f"drawn: {file}", markup=False, soft_wrap=True)
    else:
        glyphs = ASCII if out.options.ascii_only else None
        width = width_of(out)
        out.print(memory_picture(contents, camera, width, glyphs), width=width)
        if kept:
            out.print(kept, style="dim", markup=False, soft_wrap=True)


app.command("frames")(frames)
