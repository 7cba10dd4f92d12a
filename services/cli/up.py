"""`hermes up`: the pipeline on this machine for a person's own cameras."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from hermes.client import HermesClient
from hermes.errors import HermesError
from services.cli.config import CameraConfig, UpConfig, camera_of_flag, read_config
from services.cli.connection import open_client
from services.cli.local import LocalSettings, end_on_sigterm, start_services
from services.cli.output import camera_table, err, fail, out
from services.cli.processes import Pipeline
from services.common.cameras import is_file
from services.common.redaction import lacks_scheme, redact

REFRESH_S = 1.0


def up(
    camera: Annotated[
        list[str] | None,
        typer.Option("--camera", "-c", help="ID=URL, repeatable. A URL or a path to a video file."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="YAML: see docs/running.md.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="Checkpoint folder, or owner/name on the Hugging Face hub.")
    ] = "",
    revision: Annotated[
        str, typer.Option(help="Branch, tag or commit of the model on the hub.")
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "",
    listen: Annotated[str, typer.Option(help="Address of the gateway.")] = "",
    media_root: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder that video files may lie in."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Folder that keeps cameras, memories and logs between runs."
        ),
    ] = None,
) -> None:
    """Run everything for your own cameras until Ctrl-C."""
    wanted = UpConfig() if config is None else read_config(config)
    given = [camera_of_flag(flag) for flag in camera or []]
    wanted = wanted.overridden(given, model, device, listen, media_root)
    root, cameras = _place_files(wanted)
    if state is not None:
        root = keep_media_root(_made(state) / "media-root", root)
    settings = LocalSettings(
        model=wanted.model,
        revision=revision or wanted.revision,
        device=wanted.device,
        gateway=wanted.listen,
        media_root=root,
        frame_size=_frame_size(wanted.model),
        budget_tokens=wanted.budget_tokens,
        frames_per_second=wanted.frames_per_second,
    )
    end_on_sigterm()
    with _folder(state) as folder, Pipeline(folder) as pipeline:
        if state is not None:
            settings = replace(settings, memories=folder / "memories")
        address = start_services(pipeline, settings, lambda text: err.print(f"[dim]·[/] {text}"))
        with open_client(address) as client:
            _add(client, cameras)
            if wanted.model == "demo":
                err.print(
                    "[yellow]The demo's model knows nothing but its little worlds:[/] give --model"
                )
            out.print(f"Ask away: [bold]hermes ask CAMERA 'What happened?' -g {address}[/]")
            out.print(f"[dim]logs: {folder}/logs    end: Ctrl-C[/]")
            with contextlib.suppress(KeyboardInterrupt):
                _watch(client, pipeline)
    out.print("stopped")


def _watch(client: HermesClient, pipeline: Pipeline) -> None:
    """Show the cameras until Ctrl-C, or until a service ends."""
    if not out.is_terminal:
        while True:
            pipeline.check()
            time.sleep(REFRESH_S)
    with Live(console=out, refresh_per_second=4) as live:
        while True:
            pipeline.check()
            with contextlib.suppress(HermesError):
                live.update(camera_table(client.list_cameras()))
            time.sleep(REFRESH_S)


def _add(client: HermesClient, cameras: list[CameraConfig]) -> None:
    known = {camera.id for camera in client.list_cameras()}
    for camera in cameras:
        if camera.id in known:
            client.remove_camera(camera.id)  # of an earlier run: the new settings count
        try:
            client.add_camera(
                camera.id,
                camera.url,
                frames_per_second=camera.fps,
                pacing=camera.pacing,
                loop=camera.loop,
            )
        except HermesError as error:
            fail(f"camera {camera.id}: {error}")


def _place_files(config: UpConfig) -> tuple[Path | None, list[CameraConfig]]:
    """The media folder, and the cameras with paths below it."""
    files = {c.id: Path(c.url).expanduser().resolve() for c in config.cameras if _is_path(c.url)}
    for camera_id, path in files.items():
        if not path.is_file():
            fail(f"camera {camera_id}: there is no such file{_named(path)}")
    root = config.media_root
    if root is None and files:
        root = Path(os.path.commonpath([path.parent for path in files.values()]))
        if root in (Path(root.anchor), Path.home()):
            fail(f"the videos have no folder of their own in common ({root}): give --media-root")
    if root is not None:
        root = root.resolve()
    placed = []
    for camera in config.cameras:
        file = files.get(camera.id)
        if file is not None and root is not None:
            if not file.is_relative_to(root):
                fail(f"camera {camera.id}: {file} lies outside the media folder {root}")
            camera = camera.model_copy(update={"url": str(file.relative_to(root))})
        placed.append(camera)
    return root, placed


def keep_media_root(kept: Path, root: Path | None) -> Path | None:
    """The media folder, linked for the next run; if none is given, that of the previous run.

    Cameras of earlier runs have paths below it.
    """
    if root is None:
        return kept.resolve() if kept.is_dir() else None
    if kept.is_dir() and kept.resolve() != root:
        err.print(
            f"[yellow]The media folder was[/] {kept.resolve()}: files are now those of {root}"
        )
    kept.unlink(missing_ok=True)
    kept.symlink_to(root)
    return root


def _named(path: Path) -> str:
    """The path, for a message; what may be a URL with a password is not repeated."""
    if {*"@?="} & {*str(path)}:
        return " (a URL begins with rtsp://, rtsps://, http:// or https://)"
    return f": {redact(str(path))}"


def _is_path(url: str) -> bool:
    return is_file(url) and not url.lower().startswith("file:") and not lacks_scheme(url)


def _frame_size(model: str) -> str:
    """The frame size that the model takes, so that decoders scale frames before sending them."""
    from hermes.demo import checkpoint
    from hermes.errors import Unsupported
    from hermes.vlm.preprocess import PixelSettings

    if model == "demo":
        return f"{checkpoint.SIDE}x{checkpoint.SIDE}"
    if not Path(model).is_dir():
        return ""
    try:
        pixels = PixelSettings.from_checkpoint(Path(model))
    except Unsupported as error:
        fail(str(error))
    return f"{pixels.width}x{pixels.height}"


def _made(state: Path) -> Path:
    state.mkdir(mode=0o700, parents=True, exist_ok=True)  # URLs with passwords lie in it
    return state.resolve()


@contextlib.contextmanager
def _folder(state: Path | None) -> Iterator[Path]:
    if state is not None:
        yield _made(state)
        return
    with tempfile.TemporaryDirectory(prefix="hermes-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
