"""`hermes up`: the pipeline on this machine for a person's own cameras."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from hermes import limits
from hermes.client import HermesClient
from hermes.demo.limits import LIMITS
from hermes.errors import HermesError
from services.cli.board import Board, board_for
from services.cli.cameras import PacingChoice
from services.cli.config import UpConfig, read_config_file
from services.cli.connection import open_client
from services.cli.frame_size import DEMO
from services.cli.http_door import start_door, ways_in
from services.cli.local import LocalSettings, end_on_sigterm, start_services
from services.cli.output import err, fail, out
from services.cli.processes import Pipeline
from services.cli.roster import Roster, registered_cameras
from services.cli.run_folder import temporary_folder
from services.cli.state_folder import StateFolder, open_state
from services.cli.storage import Storage
from services.cli.supervision import Supervision
from services.cli.wanted import Check, Refused, Wanted
from services.cli.watch_roster import WatchRoster
from services.cli.watched import everything_of
from services.cli.watching import READ_TIMEOUT_S, Watching
from services.common.camera_credentials import CameraCredentials
from services.common.cameras import is_file

CAPACITY = 64
"""Cameras that are read at a time unless it is said: one process each."""


def up(
    camera: Annotated[
        list[str] | None,
        typer.Option("--camera", "-c", help="ID=URL, repeatable. A URL or a path to a video file."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="YAML: see docs/running.md.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Checkpoint folder, or owner/name on the Hugging Face hub.", show_default=DEMO
        ),
    ] = "",
    revision: Annotated[
        str,
        typer.Option(
            help="Branch, tag or commit of the model on the hub.", show_default="its main branch"
        ),
    ] = "",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1 ...", show_default="auto")
    ] = "",
    listen: Annotated[
        str, typer.Option(help="Address of the gateway.", show_default="127.0.0.1:50051")
    ] = "",
    http: Annotated[
        str,
        typer.Option(
            help="Address of the HTTP door (OpenAI's API, REST, MCP); off: none.",
            show_default="127.0.0.1:8000, or a free port",
        ),
    ] = "",
    media_root: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder that video files may lie in.",
            show_default="the one that they have in common",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps cameras, memories and logs between runs.",
            show_default="nothing is kept",
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=30, help="Frames sampled of each camera a second.", show_default="1"
        ),
    ] = None,
    pacing: Annotated[
        PacingChoice,
        typer.Option(help="How the files of --camera are read. live: at their own speed."),
    ] = PacingChoice.default,
    loop: Annotated[
        bool, typer.Option("--loop", help="Start the files of --camera again at their end.")
    ] = False,
    budget: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Video tokens per layer that a memory keeps.",
            show_default=f"{limits.BUDGET_TOKENS.default}; {LIMITS['budget_tokens']} for demo",
        ),
    ] = None,
    frame_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most tokens of a frame, for models whose frames follow the picture's shape.",
            show_default="about 144",
        ),
    ] = None,
    capacity: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=4096,
            help="Cameras that are read at a time.",
            show_default=f"{CAPACITY}, or as many as are given and never end",
        ),
    ] = None,
    reflection: Annotated[
        bool, typer.Option("--reflection", help="Let clients ask the gateway for its API.")
    ] = False,
    redis_url: Annotated[
        str,
        typer.Option(
            help="A Redis that runs already, of any shape: see docs/redis.md.",
            show_default="REDIS_URL, or a Redis of its own",
        ),
    ] = "",
) -> None:
    """Run everything for your own cameras until Ctrl-C."""
    wanted = _wanted(
        camera or [],
        config,
        pacing,
        loop,
        model=model,
        revision=revision,
        device=device,
        listen=listen,
        http=http,
        media_root=media_root,
        frames_per_second=fps,
        budget_tokens=budget,
        frame_tokens=frame_tokens,
        capacity=capacity,
        reflection=reflection or None,
    )
    end_on_sigterm()
    with _state(state) as kept, _folder(kept) as folder:
        _run(wanted, folder, kept, config, redis_url)
    out.print("stopped")


def _wanted(
    flags: list[str],
    config: Path | None,
    pacing: PacingChoice,
    loop: bool,
    **given: object,
) -> Wanted:
    """What is to be run, checked; or every fault is said, and nothing starts."""
    check = Check()
    from_file = UpConfig()
    if config is not None:
        read = read_config_file(config)
        check.file(config, read)
        from_file = read.config.relative_to(config.resolve().parent)
    of_flags = [
        one.model_copy(update={"pacing": pacing.value, "loop": loop} if is_file(one.url) else {})
        for one in check.flags(flags)
    ]
    check.flags_count(of_flags, [name for name, value in given.items() if value])
    wanted = from_file.overridden(of_flags, **given)
    check.listen(wanted.listen)
    check.http(wanted.http)
    check.device(wanted.device)
    check.sinks(wanted.sinks)
    root, cameras = check.cameras(wanted.cameras, wanted.media_root)
    frame_size = check.model(wanted.model, wanted.frame_tokens) if not check.faults else ""
    try:
        check.end()
    except Refused as error:
        fail(str(error))
    return Wanted(
        wanted.model_copy(update={"cameras": cameras}),
        root,
        frame_size,
        frozenset(one.id for one in from_file.cameras),
    )


def _run(
    wanted: Wanted,
    folder: Path,
    kept: StateFolder | None,
    config: Path | None,
    redis_url: str,
) -> None:
    """Start everything, and watch it until Ctrl-C."""
    root, cameras = wanted.media_root, wanted.config.cameras
    before = None
    if kept is not None:
        before = kept_media_root(folder / "media-root")
        root = keep_media_root(folder / "media-root", root)
    roster = Roster(
        cameras,
        wanted.from_file,
        None if config is None else config.resolve(),
        None if kept is None else folder,
    )
    watches = WatchRoster(
        [watch.watch() for watch in wanted.config.watches],
        None if config is None else config.resolve(),
        None if kept is None else folder,
        {watch.id for watch in wanted.config.watches if watch.paused is not None},
    )
    keep_open = () if kept is None else (kept.lock,)
    with Pipeline(folder, keep_open=keep_open, say=_say, redis_url=redis_url) as pipeline:
        settings = _settings(wanted, root, None if kept is None else folder / "memories")
        address = start_services(pipeline, settings, _say)
        url = start_door(pipeline, address, wanted.config.http, _say)
        supervision_says = _Speaker()
        supervision = Supervision(everything_of(pipeline), supervision_says)
        with (
            open_client(address) as client,
            open_client(address, timeout=READ_TIMEOUT_S) as reader,
            contextlib.closing(Storage(folder, pipeline.redis)) as storage,
        ):
            # Under another folder, a relative path is another file.
            _set_up(client, pipeline, roster, root if root == before else None)
            _set_up_watches(client, watches)
            _greet(address, url, folder, wanted.config.model)
            with contextlib.suppress(KeyboardInterrupt), board_for(out, err) as board:
                supervision_says.board = board
                Watching(reader, supervision, storage, board).run()


class _Speaker:
    """Says on the board what supervision tells, once there is a board."""

    board: Board | None = None

    def __call__(self, text: str) -> None:
        (_say if self.board is None else self.board.say)(text)


def _set_up(client: HermesClient, pipeline: Pipeline, roster: Roster, root: Path | None) -> None:
    key_file = os.environ.get("HERMES_CREDENTIALS_KEY_FILE")
    credentials = CameraCredentials(Path(key_file) if key_file else None)
    assert pipeline.redis is not None
    there = registered_cameras(pipeline.redis.url, credentials, root)
    try:
        roster.apply(client, there, _say)
    except HermesError as error:
        fail(f"cameras: {error}")


def _set_up_watches(client: HermesClient, watches: WatchRoster) -> None:
    try:
        watches.apply(client, _say)
    except HermesError as error:
        fail(f"watches: {error}")


def _settings(wanted: Wanted, root: Path | None, memories: Path | None) -> LocalSettings:
    config = wanted.config
    endless = sum(1 for one in config.cameras if one.loop or not is_file(one.url))
    capacity = config.capacity or (endless if endless > CAPACITY else 0)
    many = max(capacity, len(config.cameras))
    return LocalSettings(
        model=config.model,
        revision=config.revision,
        device=config.device,
        gateway=config.listen,
        media_root=root,
        frame_size=wanted.frame_size,
        budget_tokens=config.budget_tokens,
        frame_tokens=config.frame_tokens,
        frames_per_second=config.frames_per_second,
        capacity=capacity,
        max_memories=many if many > limits.MAX_CAMERAS.default else 0,
        reflection=config.reflection,
        memories=memories,
        sinks=config.sinks,
    )


def _greet(address: str, url: str | None, folder: Path, model: str) -> None:
    if model == DEMO:
        err.print("[yellow]The demo's model knows nothing but its little worlds:[/] give --model")
    out.print(f"Ask away: [bold]hermes ask CAMERA 'What happened?' -g {address}[/]")
    if url is not None:
        for line in ways_in(url):
            out.print(line)
    out.print(f"[dim]logs: {folder}/logs    end: Ctrl-C[/]")


def kept_media_root(kept: Path) -> Path | None:
    """The media folder of the previous run."""
    return kept.resolve() if kept.is_dir() else None


def keep_media_root(kept: Path, root: Path | None) -> Path | None:
    """The media folder, linked for the next run; if none is given, that of the previous run.

    Cameras of earlier runs have paths below it.
    """
    before = kept_media_root(kept)
    if root is None:
        return before
    if before not in (None, root):
        err.print(f"[yellow]The media folder was[/] {before}: files are now those of {root}")
    kept.unlink(missing_ok=True)
    kept.symlink_to(root)
    return root


def _say(text: str) -> None:
    err.print(f"[dim]·[/] {text}", soft_wrap=True)


@contextlib.contextmanager
def _state(state: Path | None) -> Iterator[StateFolder | None]:
    if state is None:
        yield None
        return
    with open_state(state) as kept:
        yield kept


@contextlib.contextmanager
def _folder(kept: StateFolder | None) -> Iterator[Path]:
    if kept is not None:
        yield kept.path
        return
    with temporary_folder("hermes-") as folder:
        yield folder
