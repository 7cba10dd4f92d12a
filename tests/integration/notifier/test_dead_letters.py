"""`hermes notifier dead-letters`: what was given up is shown, and sent again."""

from __future__ import annotations

import redis
from typer.testing import CliRunner

from hermes.v1.event_pb2 import Event
from services.cli.main import app
from services.common import keys
from tests.support import events


def hermes(*words: str, redis_url: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["notifier", "dead-letters", *words, "--redis-url", redis_url])
    return done.exit_code, done.output


def bury(client: redis.Redis, sink: str, *them: Event) -> list[str]:
    made = (
        client.xadd(keys.dead_letters(sink), {"e": one.SerializeToString(), "why": "it said 410"})
        for one in them
    )
    return [position.decode() for position in made if isinstance(position, bytes)]


def test_they_are_listed_by_sink_and_sent_again(redis_url: str, redis_client: redis.Redis) -> None:
    assert hermes("list", redis_url=redis_url) == (0, "there are none\n")
    first, second = bury(redis_client, "app", events.opened(1), events.opened(2))
    bury(redis_client, "home", events.opened(3))
    status, said = hermes("list", redis_url=redis_url)
    assert status == 0
    lines = said.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{first}  app  20")
    assert lines[0].endswith("fall on ward-3: opened ev-fall-ward-3-1  it said 410")
    assert hermes("resend", "app", second, redis_url=redis_url) == (0, "1 to be sent again\n")
    ((_, fields),) = events.kept(redis_client, keys.resend("app"))
    assert fields[b"e"] == events.opened(2).SerializeToString()
    assert hermes("resend", "app", redis_url=redis_url) == (0, "1 to be sent again\n")
    assert hermes("list", "app", redis_url=redis_url) == (0, "there are none\n")
    assert len(hermes("list", redis_url=redis_url)[1].splitlines()) == 1


def test_what_is_not_there_is_said(redis_url: str, redis_client: redis.Redis) -> None:
    status, said = hermes("resend", "app", "1-0", redis_url=redis_url)
    assert (status, said) == (1, "error: sink app has no dead letter 1-0\n")


def test_a_redis_that_does_not_answer_is_said_in_one_line() -> None:
    status, said = hermes("list", redis_url="redis://:hush@127.0.0.1:1/0")
    assert status == 1
    assert said.startswith("error: Redis: ")
    assert "hush" not in said
