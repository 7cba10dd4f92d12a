"""`hermes demo`: the whole pipeline on this machine, on videos that it renders."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.markup import escape

from hermes.client import Answer, Camera, HermesClient
from hermes.errors import HermesError
from services.cli import redis_server
from services.cli.answer_output import print_answer
from services.cli.connection import open_client
from services.cli.frame_size import DEMO, frame_size_of
from services.cli.http_door import start_door, ways_in
from services.cli.local import LocalSettings, end_on_sigterm, start_services, wait_for_cameras
from services.cli.output import camera_table, fail, out, print_cameras
from services.cli.processes import Pipeline
from services.cli.progress import redraws, say, working
from services.cli.prompt import ask_more
from services.cli.run_folder import temporary_folder
from services.common import keys
from services.common.connection import connect

if TYPE_CHECKING:
    from services.cli.worlds import World

NAMES = ("lobby", "dock", "street", "corridor", "yard", "gate", "garage", "roof")
QUESTIONS_NOW, QUESTIONS_PAST = 1, 2  # about each camera
WAIT_S = 90.0
REPORTED_S = 10.0  # until a memory's state is that of its answers
FRAMES_PER_SECOND = 2.0
STAY_LOOK_S = 0.5
RIGHT, WRONG = "[green]right[/]", "[red]wrong[/]"


def demo(
    cameras: Annotated[int, typer.Option(min=1, max=len(NAMES), help="Cameras to play.")] = 3,
    seed: Annotated[int, typer.Option(help="Which scenes are rendered.")] = 1,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep videos, model and logs, and print their folder.")
    ] = False,
    stay: Annotated[
        bool, typer.Option("--stay", help="Keep everything running at the end, until Ctrl-C.")
    ] = False,
    http: Annotated[
        str,
        typer.Option(
            help="Address of the HTTP door, for --stay and in a terminal; off: none.",
            show_default="127.0.0.1:8000, or a free port",
        ),
    ] = "",
) -> None:
    """Run everything once: cameras, Redis, decoder, worker, gateway, questions."""
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    end_on_sigterm()
    _check_given_redis()
    with _folder(keep) as folder, Pipeline(folder, _scratch(folder), say=say) as pipeline:
        names = NAMES[:cameras]
        worlds, dusk = _prepare(folder, names, seed)
        with working("starting Redis, decoder, worker and gateway; loading the model"):
            address = start_services(pipeline, _settings(folder), say)
        with open_client(address) as client, _removed(client, (*names, dusk.camera)):
            _show_nightfall(client, dusk)
            for name in names:
                client.add_camera(name, f"{name}.mp4", pacing="as_fast_as_read")
            _watch(client, names, pipeline)
            answers = _ask_all(client, worlds, seed)
            answers |= _ask_each_kind(client, worlds[0], seed)
            print_cameras(_current(client, answers))
            if interactive or stay:
                _visit(start_door(pipeline, address, http, say))
            if interactive:
                _ask_more(client, [*worlds, dusk])
            if stay:
                _stay(pipeline)


def _visit(url: str | None) -> None:
    if url is not None:
        for line in ways_in(url):
            out.print(line)


def _stay(pipeline: Pipeline) -> None:
    """Wait for Ctrl-C, or for a service to end."""
    out.print("[dim]everything keeps running; end: Ctrl-C[/]")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            pipeline.check()
            pipeline.check_redis()
            time.sleep(STAY_LOOK_S)


def _check_given_redis() -> None:
    """Refuse a Redis that is in use: the demo's worker would take over its cameras."""
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
def _removed(client: HermesClient, names: tuple[str, ...]) -> Iterator[None]:
    """Remove the demo's watch and cameras at the end: the Redis may outlive the demo."""
    from services.cli.nightfall import WATCH

    try:
        yield
    finally:
        with contextlib.suppress(HermesError):
            client.delete_watch(WATCH.id)
        for name in names:
            with contextlib.suppress(HermesError):
                client.remove_camera(name)


def _show_nightfall(client: HermesClient, dusk: World) -> None:
    """Add a watch, play the film that it is for, and hold its event against the record."""
    from services.cli.nightfall import WATCH, sighting_of, the_event, truth

    client.create_watch(WATCH)
    # A watch sees the newest frame of a chunk: here, every frame.
    client.add_camera(dusk.camera, f"{dusk.camera}.mp4", pacing="live", chunk_max_frames=1)
    with working(f"a watch looks out for nightfall at {dusk.camera}"):
        found = sighting_of(the_event(client))
    out.print(f"\n[bold]{dusk.camera}[/]: {WATCH.text} [dim](a watch: night opens an event)[/]")
    out.print(found.line())
    verdict = RIGHT if found.right(FRAMES_PER_SECOND) else WRONG
    out.print(f"{verdict} [dim]({truth()})[/]")


def _watch(client: HermesClient, names: tuple[str, ...], pipeline: Pipeline) -> None:
    """Wait until every camera's video has been watched to its end."""
    with _progress() as show:
        found = wait_for_cameras(client, set(names), _watched, pipeline, WAIT_S, show)
    if len(found) < len(names) or not all(map(_watched, found)):
        print_cameras(found)
        fail(f"not all cameras ended within {WAIT_S:.0f} s; try again with --keep and see the logs")


def _watched(camera: Camera) -> bool:
    """Whether the film was read to its end, and is in memory but for its last moments.

    A memory that serves may be seconds behind on a slow machine.
    """
    from services.cli.worlds import DURATION_S, STILL_S

    seen = camera.memory.coverage.media_end_s or 0.0
    ended = camera.source.state == "ended" and camera.memory.state == "serving"
    return ended and seen >= DURATION_S - STILL_S


def _prepare(folder: Path, names: tuple[str, ...], seed: int) -> tuple[list[World], World]:
    """The worlds that are asked about, and the one that the watch is for."""
    from services.cli.nightfall import dusk_world
    from services.cli.worlds import DURATION_S, make_worlds

    media = folder / "media"
    media.mkdir()
    with working(f"filming {len(names)} little worlds, {DURATION_S:.0f} s of H.264 each"):
        return make_worlds(names, seed, media), dusk_world(seed, media)


def _scratch(folder: Path) -> dict[str, str]:
    """Keep PyTorch's cache, which it makes and leaves in any case, within the demo's folder."""
    return {"TORCHINDUCTOR_CACHE_DIR": str(folder / "torch")}


def _settings(folder: Path) -> LocalSettings:
    return LocalSettings(
        model=DEMO,
        device="cpu",
        media_root=folder / "media",
        frame_size=frame_size_of(DEMO),
        frames_per_second=FRAMES_PER_SECOND,
    )


def _ask_all(client: HermesClient, worlds: list[World], seed: int) -> dict[str, Answer]:
    """The last answer of each camera."""
    from services.cli.worlds import questions_for

    verdicts, answers = [], {}
    for world in worlds:
        for question in questions_for(world, seed, QUESTIONS_NOW, QUESTIONS_PAST):
            out.print(f"\n[bold]{world.camera}[/]: {question.text}")
            answers[world.camera] = _ask(client, world, question.text)
            verdicts.append(_judge(world, question.text, answers[world.camera]))
    _print_score(verdicts, "answers are right")
    return answers


def _print_score(verdicts: Sequence[bool | None], what: str) -> None:
    right = verdicts.count(True)
    style = "green" if right == len(verdicts) else "yellow"
    out.print(f"\n[bold {style}]{right} of {len(verdicts)} {what}[/]\n")


def _ask_each_kind(client: HermesClient, world: World, seed: int) -> dict[str, Answer]:
    """One question of each kind, about one camera."""
    from services.cli.kinds import one_of_each

    out.print("[bold]And one question of each other kind:[/]")
    verdicts, answers = [], {}
    for question in one_of_each(world, seed):
        out.print(f"\n[bold]{world.camera}[/]: {question.text} [dim]({question.kind})[/]")
        answers[world.camera] = _ask(client, world, question.text, question.options)
        verdicts.append(question.right(answers[world.camera]))
        truth = f"the record says {escape(question.truth)}"
        out.print(f"{RIGHT if verdicts[-1] else WRONG} [dim]({truth})[/]")
    _print_score(verdicts, "answers of other kinds are right")
    return answers


def _ask(
    client: HermesClient, world: World, question: str, options: Mapping[str, Any] | None = None
) -> Answer:
    try:
        return print_answer(client.ask(world.camera, question, **(options or {})))
    except HermesError as error:
        fail(f"{world.camera} did not answer: {error}")


def _current(client: HermesClient, answers: dict[str, Answer]) -> list[Camera]:
    """The cameras, once their states show what the answers were based on.

    Workers report their memories every second or so.
    """
    deadline = time.monotonic() + REPORTED_S
    while True:
        cameras = client.list_cameras()
        late = [
            camera.id
            for camera in cameras
            if camera.id in answers
            and camera.memory.coverage.frames_seen < answers[camera.id].coverage.frames_seen
        ]
        if not late or time.monotonic() > deadline:
            return cameras
        time.sleep(0.1)


def _judge(world: World, question: str, answer: Answer) -> bool | None:
    """Compare the answer with the record, and say so. None if the record has no answer."""
    verdict = world.judge(question, answer)
    if verdict is None:
        out.print("[dim]the record has no answer to this[/]")
        return None
    right, truth = verdict
    shown = RIGHT if right else f"{WRONG}: it is {escape(repr(truth))}"
    meaning = world.meaning(question, truth)
    out.print(f"{shown} [dim]({meaning})[/]" if meaning else shown)
    return right


def _ask_more(client: HermesClient, worlds: list[World]) -> None:
    by_name = {world.camera: world for world in worlds}

    def judge(camera: str, question: str, answer: Answer) -> None:
        _judge(by_name[camera], question, answer)

    ask_more(client, tuple(by_name), judge=judge, example="What came first?")


@contextlib.contextmanager
def _folder(keep: bool) -> Iterator[Path]:
    if not keep:
        with temporary_folder("hermes-demo-") as folder:
            yield folder
        return
    folder = Path(tempfile.mkdtemp(prefix="hermes-demo-"))
    try:
        yield folder
    finally:
        say(f"kept: {folder}")


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[list[Camera]], None]]:
    if not redraws(out):
        say("watching the cameras to their end")
        yield lambda cameras: None
        return
    with Live(console=out, transient=True, refresh_per_second=8) as live:
        yield lambda cameras: live.update(camera_table(cameras))
