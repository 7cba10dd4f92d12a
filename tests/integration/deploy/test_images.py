"""The images for real: built, started the way pods are, asked, and ended.

PIP_CONF and IMAGE_FLAGS reach deploy/images/build, for machines whose way to an index is their own.
The worker's image has gigabytes on the default index: it is tried where WORKER_IMAGE is set.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hermes.client import HermesClient
from services.cli.redis_server import LocalRedis
from tests.support import video
from tests.support.dockerfile import SERVICES
from tests.support.engine import Engine, need_engine, wait_for_file
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1900)]
VOLUMES = ("--volume=/cache", "--volume=/var/lib/hermes")
"""Without a name: they take their owner from the image."""
every = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return need_engine()


def image(engine: Engine, service: str) -> str:
    if service == "worker" and not os.environ.get("WORKER_IMAGE"):
        pytest.skip("the worker's image is large: set WORKER_IMAGE=1 to try it")
    return engine.build(service)


def settings(redis: LocalRedis, **more: str) -> dict[str, str]:
    return {
        "HERMES_REDIS_URL": redis.url,
        "HERMES_METRICS_PORT": "0",
        "HERMES_ANNOUNCE": "/tmp/ports",
        "HERMES_LISTEN": "127.0.0.1:0",
        **more,
    }


@every
def test_an_image_holds_what_its_service_needs_and_no_more(engine: Engine, service: str) -> None:
    name = image(engine, service)

    def runs(*command: str) -> bool:
        flags = ("--rm", "--read-only", "--network=none", *VOLUMES)
        return not engine.fails("run", *flags, name, *command)

    assert runs(f"hermes-{service}", "--help")
    assert engine.run("run", "--rm", name, "id", "-u").strip() == "10001"
    assert runs("python", "-c", "import torch") == (service == "worker")
    assert runs("python", "-c", "import av") == (service == "decoder")
    assert not runs("sh", "-c", "command -v cc gcc || test -e /opt/hermes/bin/pip")
    listed = json.loads(engine.run("run", "--rm", name, "cat", "/opt/hermes/share/sbom.cdx.json"))
    packages = {one["name"] for one in listed["components"]}
    assert "protobuf" in packages
    assert ("torch" in packages) == (service == "worker")


def test_an_image_is_made_of_the_same_bytes_again(engine: Engine) -> None:
    def layers() -> Any:
        found = engine.run("image", "inspect", "--format={{json .RootFS.Layers}}", name)
        return json.loads(found)

    name = image(engine, "gateway")
    before = layers()
    engine.build("gateway", "--no-cache")
    assert layers() == before


def test_a_camera_comes_in_over_the_gateway_and_is_read(
    engine: Engine, own_redis: LocalRedis, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    video.write(tmp_path / "lobby.mp4", 40).chmod(0o644)
    media = f"--volume={tmp_path}:/media:ro"
    given = settings(own_redis, HERMES_MEDIA_ROOT="/media")
    with (
        engine.service(image(engine, "gateway"), given, media) as gateway,
        engine.service(image(engine, "decoder"), given, media) as decoder,
    ):
        address = json.loads(wait_for_file(engine, gateway, "/tmp/ports", 30))["address"]
        wait_for_file(engine, decoder, "/tmp/ports", 30)
        with grpc.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with HermesClient(address) as client:
            client.add_camera("lobby", "lobby.mp4")
            eventually(
                lambda: client.get_camera("lobby").source.state == "ended", 40, "read to its end"
            )
        with engine.service(
            image(engine, "web"), settings(own_redis, HERMES_GATEWAY=address)
        ) as web:
            door = json.loads(wait_for_file(engine, web, "/tmp/ports", 30))["address"]
            with urlopen(f"http://{door}/api/v1/cameras", timeout=10) as answer:
                assert [camera["id"] for camera in json.load(answer)["cameras"]] == ["lobby"]
            assert engine.ended_with(web) == 0, engine.logs(web)
        assert engine.ended_with(gateway) == 0, engine.logs(gateway)
        assert engine.ended_with(decoder) == 0, engine.logs(decoder)


def test_a_worker_loads_the_demo_model_and_ends(engine: Engine, own_redis: LocalRedis) -> None:
    given = settings(own_redis, HERMES_DEVICE="cpu", HERMES_THREADS="1")
    given["HERMES_CHECKPOINT_URL"] = "/var/lib/hermes/checkpoints"
    with engine.service(image(engine, "worker"), given, *VOLUMES) as worker:
        address = json.loads(wait_for_file(engine, worker, "/tmp/ports", 120))["address"]
        with grpc.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert engine.ended_with(worker) == 0, engine.logs(worker)
