"""Fixtures that every kind of test may use."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from hypothesis import settings

from hermes.cpus import usable_cpus
from services.cli import redis_server
from tests.support import examples, run_folder

INTEGRATION = Path(__file__).parent / "integration"

# What is imported stays: looking for garbage among it, again and again, takes seconds.
gc.disable()

# How long an example takes says something about the machine, not about the code.
settings.register_profile("thorough", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=examples.QUICK)
settings.load_profile("quick")

workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
# Before anything imports torch: processes that run beside each other share the cores.
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cpus() // workers)))

if not Path("/dev/nvidiactl").exists():
    # Before anything imports Triton: its kernels are interpreted where there is no GPU.
    os.environ.setdefault("TRITON_INTERPRET", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Make what the processes of a run share.

    A shell starts background jobs deaf to Ctrl-C, and so would be all that tests start.
    """
    if "not slow" not in config.option.markexpr:
        settings.load_profile("thorough")  # before the files of tests are imported
    if run_folder.VARIABLE not in os.environ:
        config.add_cleanup(partial(shutil.rmtree, run_folder.create(), ignore_errors=True))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of integration tests, which mostly wait, take turns with the others, which compute.

    So processes that run tests beside each other keep the cores busy from first to last.
    """
    places: dict[Path, float] = {}
    files = list(dict.fromkeys(item.path for item in items))
    for kind in (True, False):
        chosen = [file for file in files if (INTEGRATION in file.parents) is kind]
        places |= {file: number / len(chosen) for number, file in enumerate(chosen)}
    items.sort(key=lambda item: (places[item.path], item.path))


def pytest_collection_finish() -> None:
    """From now on garbage is looked for, among what tests make."""
    gc.enable()
    gc.freeze()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis: REDIS_URL, a local binary, or a container. Skips if there is none.

    Tests empty it. Of a server that is given, each process that runs tests takes
    the database of its own number.
    """
    if url := os.environ.get("REDIS_URL"):
        yield _of_this_process(url)
        return
    if redis_server.find_binary() is not None:
        server = redis_server.start(tmp_path_factory.mktemp("redis"))
        yield server.url
        server.stop()
        return
    from testcontainers.redis import RedisContainer

    try:
        container = RedisContainer("redis:7").start()
    except Exception as error:
        pytest.skip(f"no Redis: no REDIS_URL, no redis-server, and no container engine ({error})")
    yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
    container.stop()


def _of_this_process(url: str) -> str:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    if number == 0:
        return url
    parts = urlsplit(url)
    first = int(parts.path.strip("/") or 0)
    return parts._replace(path=f"/{first + number}").geturl()


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of an empty Redis."""
    client = redis.Redis.from_url(redis_url)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[redis_server.LocalRedis]:
    """A Redis of this test alone, which it may stop, kill and start again."""
    if redis_server.find_binary() is None:
        pytest.skip("no redis-server binary to start and stop")
    server = redis_server.start(tmp_path / "redis")
    yield server
    server.stop()
