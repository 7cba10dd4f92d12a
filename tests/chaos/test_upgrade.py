"""A fleet of an earlier version becomes one of this version, and goes back, while it is asked.

`HERMES_OLD_VERSION` names the earlier versions: tags or commits that git has here, with commas.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from hermes.engine import snapshot
from hermes.errors import Unavailable
from services.cli import redis_server
from services.cli.frame_size import frame_size_of
from services.cli.worlds import World, make_worlds, questions_for
from services.common import keys
from tests.chaos.conftest import HANGS_S
from tests.support.fleet import QUESTION, Asker, Book, Fleet
from tests.support.versions import NOW, Version, exported, side_by_side
from tests.support.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(HANGS_S)]

DEFAULTS = "508bed9f,2ec54839,1db056f9"
"""None is released, so these are the last commits before a wire format grew. 508bed9f is the
evening of 2026-11-29: watches, events, clusters, snapshots as they are now. 2ec54839 is that noon:
the protos of `scripts/released_protos`, and the first snapshots of today's format. 1db056f9 is
2026-11-26: snapshots of another format, and a status of one field a value.
"""
OLD = [name for name in os.environ.get("HERMES_OLD_VERSION", DEFAULTS).split(",") if name]
FILMS = ("lobby", "dock")
LATER = "yard"
"""A film that the new version sees first."""
LIVE = "street"
FRAMES = 119
"""Of a film of a minute, at two a second, at least so many are sampled."""
SETTINGS = {
    "HERMES_FRAME_SIZE": frame_size_of("demo"),
    "HERMES_FRAMES_PER_SECOND": "2",
    "HERMES_CHECKPOINT_EVERY_FRAMES": "20",
    "HERMES_REPLAY_WINDOW_S": "300",
}
SHARE = 0.95
"""Of all questions, those that are answered within their deadline at least."""


@dataclass
class Known:
    """A world, and questions that the earlier version answers right, with its answers."""

    world: World
    answers: dict[str, str]

    @property
    def camera(self) -> str:
        return self.world.camera


def ask(fleet: Fleet, camera_id: str, question: str) -> tuple[str, int]:
    """The answer, and how many frames the memory had seen."""
    stream = fleet.client.ask(camera_id, question, max_tokens=12, timeout=60)
    text = "".join(stream)
    return text, stream.result().coverage.frames_seen


def remembered(fleet: Fleet, world: World) -> Known:
    """Show a film to the fleet, and ask about all of it."""
    camera = world.camera
    fleet.client.add_camera(camera, f"{camera}.mp4", pacing="as_fast_as_read")
    fleet.until(camera, lambda c: c.source.state == "ended", 120)
    eventually(lambda: ask(fleet, camera, "Is it day or night?")[1] >= FRAMES, 60, camera)
    eventually(lambda: fleet.redis.hget(keys.checkpoint(camera), "id"), 60, "a checkpoint")
    answers = {}
    for question in questions_for(world, 1, 4, 4):
        stream = fleet.client.ask(camera, question.text, max_tokens=12, timeout=60)
        text = "".join(stream)
        if (verdict := world.judge(question.text, stream.result())) and verdict[0]:
            answers[question.text] = text
    assert len(answers) >= 4, f"{camera}: {answers}"
    return Known(world, answers)


def crosses_over(earlier: Version) -> bool:
    """Whether this version reads that version's snapshots: they are of one format."""
    text = (earlier.folder / "hermes" / "engine" / "snapshot.py").read_text()
    return f"\nFORMAT = {snapshot.FORMAT}\n" in text


def decoder_replaced(former: Fleet, fleet: Fleet, old: str, new: str) -> None:
    """Start a decoder beside the one that it replaces, as a Deployment does."""
    fleet.start(new)
    former.end(old)
    seen = ask(fleet, LIVE, QUESTION)[1]
    eventually(lambda: ask(fleet, LIVE, QUESTION)[1] > seen + 4, 60, "frames go on")


def check(fleet: Fleet, known: Iterable[Known]) -> None:
    """All of each film is remembered, and what is asked about it is answered right."""
    for one in known:
        for question, answer in one.answers.items():
            text, seen = ask(fleet, one.camera, question)
            assert (text, seen >= FRAMES) == (answer, True), f"{one.camera}: {question}"


def kinds_are_kept(fleet: Fleet) -> bool:
    """Ask for one of two choices: it is answered so, or refused with UNAVAILABLE. Which it was."""
    try:
        stream = fleet.client.ask(FILMS[0], "Is it day or night?", choices=["day", "night"])
        assert "".join(stream) in ("day", "night")
    except Unavailable as error:
        if "older than the gateway" not in str(error):
            raise
        return False
    assert len(stream.result().choices) == 2
    return True


def replaced(former: Fleet, fleet: Fleet, names: dict[str, str]) -> list[float]:
    """End one worker after the other, and start another in its place, as a StatefulSet does.

    How long each took to end.
    """
    took = []
    for old, new in names.items():
        took.append(former.end(old, 60))
        fleet.start(new, model="demo")
    return took


def restored(fleet: Fleet, *instances: str) -> dict[str, int]:
    """How memories came to these workers: from the newest checkpoint, the log, ..."""
    logs = [(fleet.pipeline.folder / "logs" / f"{name}.log").read_text() for name in instances]
    outcomes = ("newest", "older", "log", "lost")
    return {name: sum(text.count(f'"by": "{name}"') for text in logs) for name in outcomes}


@pytest.mark.parametrize("commit", OLD)
def test_a_fleet_is_upgraded_and_rolled_back(tmp_path: Path, commit: str) -> None:
    """All that was seen is remembered on both ways, or the log says of which format it is."""
    if redis_server.find_binary() is None:
        pytest.skip("no redis-server binary to start and stop")
    earlier = exported(commit, tmp_path / "earlier")
    (tmp_path / "media").mkdir()
    worlds = make_worlds([*FILMS, LATER, LIVE], 1, tmp_path / "media")
    with side_by_side(tmp_path, earlier, NOW, **SETTINGS) as (old, new), ExitStack() as askers:
        old.start("decoder-1", "worker-1", "worker-2", "gateway-1", model="demo")
        known = [remembered(old, world) for world in worlds[: len(FILMS)]]
        old.client.add_camera(LIVE, f"{LIVE}.mp4", pacing="live", loop=True)
        old.until(LIVE, lambda camera: camera.memory.frames >= 10)
        book = Book()

        def asked(fleet: Fleet, cameras: Iterable[Known]) -> None:
            for one in cameras:
                question, answer = next(iter(one.answers.items()))
                expected = {one.camera: answer}
                askers.enter_context(
                    Asker(fleet.address, [one.camera], book, expected=expected, question=question)
                )
            crosses = crosses_over(earlier)
            askers.enter_context(Asker(fleet.address, [LIVE], book, forgetful=not crosses))

        asked(old, known)
        new.start("gateway-1")
        asked(new, known)
        check(new, known)
        kinds_are_kept(new)
        took = replaced(old, new, {"worker-1": "worker-11", "worker-2": "worker-12"})
        check(old, known)
        assert kinds_are_kept(new)
        decoder_replaced(old, new, "decoder-1", "decoder-11")
        for words in (["ask", FILMS[0], next(iter(known[0].answers))], ["camera", "list"]):
            said = earlier.hermes(*words, "-g", new.address)
            assert said.returncode == 0, said
            assert (known[0].answers[words[2]] if len(words) > 2 else LIVE) in said.stdout
        upgraded = restored(new, "worker-11", "worker-12")
        print(f"\n{commit} to now: workers ended in {took} s; {upgraded}; {book}")
        assert book.wrong == []

        known.append(remembered(new, worlds[len(FILMS)]))
        took = replaced(new, old, {"worker-11": "worker-21", "worker-12": "worker-22"})
        check(new, known)
        kinds_are_kept(new)
        decoder_replaced(new, old, "decoder-11", "decoder-21")
        check(old, known)
        rolled_back = restored(old, "worker-21", "worker-22")
        print(f"now to {commit}: workers ended in {took} s; {rolled_back}; {book}")
        askers.close()
        assert book.wrong == []
        assert book.share >= SHARE, str(book)
        for fleet in (old, new):
            fleet.pipeline.check()
