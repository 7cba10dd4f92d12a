"""`hermes up`, as a person starts it, and starts it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis

from services.cli.up import keep_media_root
from tests.integration.cli.test_demo import environment
from tests.support import events, notifiers, up, video
from tests.support.shapes import WITH_REPLICAS, running_shape
from tests.support.waiting import eventually
from tests.support.webhook_receiver import WebhookReceiver


@contextmanager
def running(tmp_path: Path, *flags: str) -> Iterator[up.Up]:
    """Everything that `hermes up --state` runs, until it is stopped."""
    state = str(tmp_path / "state")
    with up.running(tmp_path, environment(tmp_path), "--state", state, *flags) as run:
        yield run


@pytest.mark.slow  # tests/integration/cli/test_up_again.py does so once, with a file of cameras
def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    """Cameras, their memories, and the folder that their films lie in."""
    (tmp_path / "films").mkdir()
    film = video.write(tmp_path / "films" / "lobby.mp4", 60)
    told = ("--fps", "2", "--budget", "150", "--capacity", "3", "--reflection")
    with running(tmp_path, "--camera", f"lobby={film}", *told) as run:
        logs = tmp_path / "state" / "logs"
        assert '"capacity": 3,' in (logs / "decoder.log").read_text()
        assert '"frames_per_second": 2.0,' in (logs / "decoder.log").read_text()
        assert '"budget_tokens": 150,' in (logs / "worker.log").read_text()
        assert '"reflection": true,' in (logs / "gateway.log").read_text()
        run.seen("lobby", "ended")
        eventually(
            lambda: run.client.get_camera("lobby").memory.frames == 12, 60, "all of the film"
        )
        first = run.client.get_camera("lobby")
    with running(tmp_path, "--budget", "150") as run:
        again = run.seen("lobby", "ended")
        assert again.memory.frames == first.memory.frames
        answer = run.client.ask("lobby", "Is it day or night?", timeout=30).result()
        assert answer.coverage.frames_seen == first.memory.coverage.frames_seen


@pytest.mark.slow  # tests/contract/test_cluster.py finds a cluster without a service
@pytest.mark.parametrize("shape", WITH_REPLICAS)
def test_it_runs_with_a_given_redis_of_any_shape(tmp_path: Path, shape: str) -> None:
    film = video.write(tmp_path / "lobby.mp4", 60)
    with running_shape(shape, tmp_path / "redis") as given:
        flags = ("--redis-url", given.url, "--camera", f"lobby={film}", "--fps", "2")
        with running(tmp_path, *flags) as run:
            assert "Redis: --redis-url" in run.said()
            run.seen("lobby", "ended")
            assert run.client.ask("lobby", "Is it day or night?", timeout=30).result()


@pytest.mark.slow  # tests/unit/cli/test_local.py starts it with nothing that runs
def test_a_notifier_runs_where_the_file_names_sinks(tmp_path: Path) -> None:
    with WebhookReceiver() as receiver:
        notifiers.sinks_file(tmp_path, notifiers.webhook("app", receiver.url))
        config = tmp_path / "hermes.yaml"
        config.write_text("sinks: sinks.yaml\n")
        with running(tmp_path, "--config", str(config)) as run:
            assert "notifier: ready" in run.said()
            url = (psutil.Process(run.pid_of("notifier")).environ())["HERMES_REDIS_URL"]
            with redis.Redis.from_url(url) as client:
                events.write(client, events.opened())
                eventually(lambda: receiver.taken, 30, "the event")


def test_a_media_folder_is_kept_until_another_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, films, others = (tmp_path / name for name in ("media-root", "films", "others"))
    films.mkdir()
    others.mkdir()
    assert keep_media_root(kept, None) is None
    assert keep_media_root(kept, films) == films
    assert keep_media_root(kept, None) == films
    assert keep_media_root(kept, films) == films
    assert capsys.readouterr().err == ""
    assert keep_media_root(kept, others) == others
    assert "films" in capsys.readouterr().err
    others.rmdir()
    assert keep_media_root(kept, None) is None
