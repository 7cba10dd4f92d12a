"""The overlay for laptops, played by podman: a camera is read, and a question about it answered.

`tests/support/kube_play.py` tells what podman does not do of it. The images are those of
test_images.py, and Redis' own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from hermes.client import HermesClient
from services.cli.worlds import World, make_worlds, questions_for
from tests.support.engine import Engine, need_engine
from tests.support.kube_play import playable, secret
from tests.support.manifests import KUBECTL, SERVICES, Object, Variant
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1900),
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]
READY = {
    "hermes-worker": 9102,
    "hermes-gateway": 9101,
    "hermes-decoder": 9103,
    "hermes-web": 9105,
}


@pytest.fixture(scope="module")
def podman() -> Engine:
    found = need_engine()
    if found.program != "podman":
        pytest.skip("only podman plays Kubernetes' objects")
    if not os.environ.get("WORKER_IMAGE"):
        pytest.skip("the worker's image is large: set WORKER_IMAGE=1 to try it")
    return found


@pytest.fixture(scope="module")
def images(podman: Engine) -> dict[str, str]:
    redis = "docker.io/library/redis:7.2-bookworm"
    if podman.fails("image", "inspect", redis) and podman.fails("pull", "--quiet", redis):
        pytest.skip(f"{redis} is not here and cannot be pulled")
    built = {name: podman.build(name.removeprefix("hermes-")) for name in SERVICES}
    return {"hermes-redis": redis, **built}


@pytest.fixture
def world(tmp_path: Path) -> World:
    (made,) = make_worlds(["lobby"], 1, tmp_path)
    tmp_path.chmod(0o755)
    (tmp_path / "lobby.mp4").chmod(0o644)
    return made


@pytest.fixture
def played(
    podman: Engine, images: dict[str, str], world: World, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """Addresses of the pods, by name."""
    objects = playable(Variant("cpu-dev"))
    pods = [one for one in objects if one["kind"] == "Pod"]
    for one in pods:
        name = one["metadata"]["name"]
        one["spec"]["containers"][0]["image"] = images[name]
        if name in ("hermes-decoder", "hermes-gateway"):
            _see_files(one["spec"], tmp_path)
    values = {"password": "of-a-test", "url": "redis://:of-a-test@hermes-redis:6379/0"}
    (tmp_path / "hermes-redis.json").write_text(secret(values))
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(objects))
    with ExitStack() as ends:
        podman.run("secret", "create", "hermes-redis", str(tmp_path / "hermes-redis.json"))
        ends.callback(podman.fails, "secret", "rm", "hermes-redis")
        for one in objects:
            name = one["metadata"]["name"]
            if one["kind"] == "Pod":
                ends.callback(podman.fails, "pod", "rm", "--force", "--ignore", name)
            else:
                ends.callback(podman.fails, "volume", "rm", name)
        podman.run("kube", "play", str(tmp_path / "objects.yaml"), timeout=300)
        yield {one["metadata"]["name"]: _address(podman, one["metadata"]["name"]) for one in pods}


def _see_files(spec: Object, folder: Path) -> None:
    """As the README says: one volume for decoders and gateways, and the setting."""
    spec["volumes"].append({"name": "media", "hostPath": {"path": str(folder)}})
    (container,) = spec["containers"]
    container["volumeMounts"].append({"name": "media", "mountPath": "/media", "readOnly": True})
    container["env"].append({"name": "HERMES_MEDIA_ROOT", "value": "/media"})


def _address(podman: Engine, pod: str) -> str:
    infra = podman.run("pod", "inspect", "--format={{.InfraContainerID}}", pod).strip()
    every = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return podman.run("inspect", f"--format={every}", infra).strip()


def _is_ready(pod: str) -> bool:
    try:
        with urlopen(f"http://{pod}/readyz", timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_question_is_answered_in_the_pods_of_the_overlay(
    podman: Engine, played: dict[str, str], world: World
) -> None:
    def container(name: str) -> str:
        return f"{name}-{name.removeprefix('hermes-')}"

    for name, port in READY.items():
        eventually(partial(_is_ready, f"{played[name]}:{port}"), 180, f"{name} is ready")
    with HermesClient(f"{played['hermes-gateway']}:50051") as client:
        client.add_camera("lobby", "lobby.mp4")
        eventually(lambda: client.get_camera("lobby").source.state == "ended", 180, "read")
        question = questions_for(world, 1, now=1, past=0)[0].text
        answer = client.ask("lobby", question, timeout=120).result()
    assert world.judge(question, answer) == (True, answer.text), question
    for name in (*SERVICES, "hermes-redis"):
        assert podman.ended_with(container(name)) == 0, podman.logs(container(name))
