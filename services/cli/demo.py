"""`hermes demo`: the whole pipeline on this machine, on video that it renders itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from hermes.client import Camera, HermesClient
from hermes.errors import HermesError
from services.cli import redis_server
from services.cli.ask import print_answer
from services.cli.local import LocalSettings, end_on_sigterm, start_services, wait_for_frames
from services.cli.output import camera_table, err, fail, out
from services.cli.processes import Pipeline
from services.cli.prompt import ask_more
from services.common import keys
from services.common.connection import connect

NAMES = ("lobby", "dock", "street", "corridor", "yard", "gate", "garage", "roof")
QUESTIONS = (
    "What is happening now?",
    "What colour is the last thing that came in?",
    "How many objects came by?",
)
FRAMES_WANTED = 8
WAIT_S = 90.0
BUDGET_TOKENS = 512
FRAMES_PER_SECOND = 2.0
ANSWER_TOKENS = 24


def demo(
    cameras: Annotated[int, typer.Option(min=1, max=len(NAMES), help="Cameras to play.")] = 3,
    seed: Annotated[int, typer.Option(help="Which scenes are rendered.")] = 1,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep videos, model and logs, and say where.")
    ] = False,
) -> None:
    """Run everything once: cameras, Redis, decoder, worker, gateway, questions."""
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    end_on_sigterm()
    _check_given_redis()
    with _folder(keep) as folder, Pipeline(folder) as pipeline:
        names = NAMES[:cameras]
        _prepare(folder, names, seed)
        address = start_services(pipeline, _settings(folder), _say)
        with HermesClient(address) as client, _playing(client, names):
            _show(client, names, pipeline, interactive)
            if interactive:
                ask_more(client, names, ANSWER_TOKENS)


def _check_given_redis() -> None:
    """A Redis that is in use is left alone: the demo's worker would take its cameras over."""
    url = os.environ.get("REDIS_URL")
    if not url:
        return
    server = redis_server.LocalRedis(url, "REDIS_URL")
    redis_server.wait_until_up(server)
    client = connect(url)
    try:
        known = client.hlen(keys.CAMERAS)
    finally:
        client.close()
    if known:
        fail(
            f"the Redis that REDIS_URL names has {known} cameras already: unset REDIS_URL, or name"
            " an empty database, e.g. redis://localhost:6379/15"
        )


@contextlib.contextmanager
def _playing(client: HermesClient, names: tuple[str, ...]) -> Iterator[None]:
    try:
        for name in names:
            client.add_camera(name, f"{name}.mp4", pacing="live", loop=True)
        yield
    finally:
        for name in names:  # the Redis may outlive the demo
            with contextlib.suppress(HermesError):
                client.remove_camera(name)


def _show(
    client: HermesClient, names: tuple[str, ...], pipeline: Pipeline, interactive: bool
) -> None:
    """Wait for frames, ask, and show what there is."""
    with _progress(interactive) as show:
        found = wait_for_frames(client, set(names), FRAMES_WANTED, pipeline, WAIT_S, show)
    missing = [camera.id for camera in found if camera.memory.frames < FRAMES_WANTED]
    if missing or len(found) < len(names):
        out.print(camera_table(found))
        fail(f"no frames in memory after {WAIT_S:.0f} s; try again with --keep and see the logs")
    _ask_all(client, names)
    out.print(camera_table(client.list_cameras()))


def _prepare(folder: Path, names: tuple[str, ...], seed: int) -> None:
    from transformers.utils.logging import disable_progress_bar

    from hermes.demo import checkpoint
    from hermes.demo.scenes import make_scene
    from services.cli.film import film

    _say(f"rendering {len(names)} cameras to H.264")
    media = folder / "media"
    media.mkdir()
    for name in names:
        film(make_scene(name, seed), media / f"{name}.mp4")
    _say("making a tiny model")
    disable_progress_bar()
    checkpoint.build(folder / checkpoint.NAME)


def _settings(folder: Path) -> LocalSettings:
    from hermes.demo import checkpoint

    return LocalSettings(
        model=str(folder / checkpoint.NAME),
        device="cpu",
        media_root=folder / "media",
        frame_size=f"{checkpoint.SIDE}x{checkpoint.SIDE}",
        budget_tokens=BUDGET_TOKENS,
        frames_per_second=FRAMES_PER_SECOND,
    )


def _ask_all(client: HermesClient, names: tuple[str, ...]) -> None:
    err.print(
        "[yellow]The demo's model is untrained: its words mean nothing. Everything else is real.[/]"
    )
    for index, question in enumerate(QUESTIONS):
        name = names[index % len(names)]
        out.print(f"\n[bold]{name}[/]: {question}")
        stream = client.ask(name, question, max_tokens=ANSWER_TOKENS)
        try:
            print_answer(stream)
        except HermesError as error:
            fail(f"{name} did not answer: {error}")
    out.print()


@contextlib.contextmanager
def _folder(keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="hermes-demo-"))
    try:
        yield folder
    finally:
        if keep:
            _say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _progress(interactive: bool) -> Iterator[Callable[[list[Camera]], None]]:
    if not interactive:
        _say("waiting for frames to be in memory")
        yield lambda cameras: None
        return
    with Live(console=out, transient=True, refresh_per_second=8) as live:
        yield lambda cameras: live.update(camera_table(cameras))


def _say(text: str) -> None:
    err.print(f"[dim]·[/] {text}")
