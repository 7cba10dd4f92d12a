"""What earlier versions wrote into Redis and into the store of checkpoints, kept as files.

`python -m tests.support.kept_formats COMMIT` makes them anew: services of that commit run on an
empty Redis, a film of a night is read, a watch of it is asked (where the commit has watches), and
what is then in Redis and in the store goes into `tests/support/kept/COMMIT`:

- `redis.json`: each key with its kind and its values in base64; of a log the last two entries;
- `store/...`: the newest snapshot of the camera, at its path;
- `answers.json`: what a worker of that commit said about it.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

FOLDER = Path(__file__).with_name("kept")
CAMERA = "porch"
QUESTIONS = ("Is it day or night?", "How many objects are there now?")
BUDGET = {"budget_tokens": "36", "compress_every_frames": "1", "max_answer_tokens": "32"}
"""As small as the demo's model allows, so that the files are small."""
MORE = {"max_question_tokens": "64"}
_ENTRIES = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """What one version wrote."""

    commit: str

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return FOLDER / self.commit

    @property
    def store(self) -> Path:
        """The store of checkpoints."""
        return self.folder / "store"

    @property
    def answers(self) -> dict[str, str]:
        """By question."""
        found: dict[str, str] = json.loads((self.folder / "answers.json").read_text())
        return found

    def fill(self, client: redis.Redis) -> None:
        """Put all of it into an empty Redis."""
        for name, (kind, values) in json.loads((self.folder / "redis.json").read_text()).items():
            if kind == "string":
                client.set(name, _bytes(values))
            elif kind == "hash":
                client.hset(name, mapping={field: _bytes(value) for field, value in values.items()})
            elif kind == "zset":
                client.zadd(name, {_bytes(member): score for member, score in values})
            elif kind == "list":
                client.rpush(name, *map(_bytes, values))
            else:
                for entry, fields in values:
                    of = {field: _bytes(value) for field, value in fields.items()}
                    client.xadd(name, of, id=entry)  # type: ignore[arg-type]


def all_kept() -> list[Kept]:
    """What each earlier version wrote, sorted by the version's commit."""
    return [Kept(folder.name) for folder in sorted(FOLDER.iterdir())]


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _dumped(client: Any) -> Iterator[tuple[str, tuple[str, Any]]]:
    for key in sorted(client.scan_iter()):
        kind = client.type(key).decode()
        values: Any
        if kind == "string":
            values = _text(client.get(key))
        elif kind == "hash":
            values = {
                field.decode(): _text(value) for field, value in sorted(client.hgetall(key).items())
            }
        elif kind == "zset":
            scored = client.zrange(key, 0, -1, withscores=True)
            values = [(_text(member), score) for member, score in scored]
        elif kind == "list":
            values = [_text(value) for value in client.lrange(key, 0, -1)]
        else:
            values = [
                (entry.decode(), {name.decode(): _text(value) for name, value in fields.items()})
                for entry, fields in reversed(client.xrevrange(key, count=_ENTRIES))
            ]
        yield key.decode(), (kind, values)


def make(commit: str) -> None:
    """Run that version, and keep what it wrote."""
    from hermes.errors import HermesError
    from services.cli.frame_size import frame_size_of
    from services.cli.nightfall import WATCH, dusk_world, the_event
    from services.common import keys
    from tests.support.versions import exported, side_by_side
    from tests.support.waiting import eventually

    settings = {
        "HERMES_FRAME_SIZE": frame_size_of("demo"),
        "HERMES_FRAMES_PER_SECOND": "2",
        "HERMES_CHECKPOINT_EVERY_S": "1",
    }
    kept = Kept(commit)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        (top / "media").mkdir()
        dusk_world(1, top / "media")
        version = exported(commit, top / "earlier")
        with side_by_side(top, version, **settings) as (fleet,):
            fleet.start("gateway-1", "decoder-1")
            fleet.start("worker-1", model="demo", **BUDGET, **MORE)
            watched = True
            try:
                fleet.client.create_watch(WATCH)
            except HermesError:
                watched = False
            fleet.client.add_camera(CAMERA, f"{CAMERA}.mp4", pacing="live", chunk_max_frames=1)
            if watched:
                the_event(fleet.client)
            fleet.until(CAMERA, lambda camera: camera.source.state == "ended", 60)
            newest = f"{keys.frames(CAMERA)}"
            entries: Any = fleet.redis.xrevrange(newest, count=1)
            last = entries[0][0]
            record = keys.checkpoint(CAMERA)
            eventually(lambda: fleet.redis.hget(record, "id") == last, 60, "all is kept")
            answers = {}
            for question in QUESTIONS:
                answers[question] = "".join(fleet.client.ask(CAMERA, question, max_tokens=8))
            kept.folder.mkdir(parents=True, exist_ok=True)
            dumped = json.dumps(dict(_dumped(fleet.redis)), indent=1)
            (kept.folder / "redis.json").write_text(dumped + "\n")
            (kept.folder / "answers.json").write_text(json.dumps(answers, indent=1) + "\n")
            raw: Any = fleet.redis.hget(record, "snapshots")
            path = json.loads(json.loads(raw)[0])["path"]
            (kept.store / path).parent.mkdir(parents=True, exist_ok=True)
            (kept.store / path).write_bytes((fleet.store / path).read_bytes())


if __name__ == "__main__":
    for each in sys.argv[1:]:
        make(each)
