"""The overlay for laptops and the notifier, played by podman: a camera is read, questions about it
are answered over gRPC and HTTP, a watch's event reaches a webhook, and every pod ends in time.

`tests/support/kube_play.py` tells what podman does not do of it. The images are those of
test_images.py, and Redis' own.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml

from hermes.client import Above, HermesClient, Trigger, Watch
from services.cli.worlds import World, make_worlds, questions_for
from tests.support.engine import Engine, need_engine
from tests.support.kube_play import playable, secret
from tests.support.manifests import KUBECTL, Object, Variant
from tests.support.notifiers import sinks_file, webhook
from tests.support.waiting import eventually
from tests.support.webhook_receiver import WebhookReceiver

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1900),
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]
OVERLAY = Variant("cpu-dev", ("notifier",))
METRICS = {
    "hermes-worker": 9102,
    "hermes-gateway": 9101,
    "hermes-decoder": 9103,
    "hermes-notifier": 9104,
    "hermes-notifier-2": 9104,
    "hermes-web": 9105,
}
"""Each pod's port of metrics and probes."""
HOST = "host.containers.internal"
"""This machine, as podman's containers know it."""


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
    built = {name: podman.build(name.removeprefix("hermes-")) for name in OVERLAY.services}
    return {"hermes-redis": redis, **built}


@pytest.fixture
def world(tmp_path: Path) -> World:
    (made,) = make_worlds(["lobby"], 1, tmp_path)
    tmp_path.chmod(0o755)
    (tmp_path / "lobby.mp4").chmod(0o644)
    return made


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver(host="0.0.0.0") as started:
        yield started


@pytest.fixture
def played(
    podman: Engine,
    images: dict[str, str],
    world: World,
    receiver: WebhookReceiver,
    tmp_path: Path,
) -> Iterator[dict[str, str]]:
    """Addresses of the pods, by name."""
    hook = webhook("app", f"http://{HOST}:{receiver.port}/hook", timeout_s=10)
    sinks = sinks_file(tmp_path / "sinks", hook).parent
    objects = playable(OVERLAY, {"hermes-sinks": sinks})
    pods = [one for one in objects if one["kind"] == "Pod"]
    for one in pods:
        name = one["metadata"]["name"]
        one["spec"]["containers"][0]["image"] = images[name.removesuffix("-2")]
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


def _call(url: str, given: object = None) -> Any:
    """The JSON that answers a GET, or a POST of what is given."""
    body = None if given is None else json.dumps(given).encode()
    request = Request(url, body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=120) as answer:
        return json.load(answer)


def test_the_overlay_answers_over_each_way_in_sends_events_and_ends_in_time(
    podman: Engine, played: dict[str, str], world: World, receiver: WebhookReceiver
) -> None:
    for name, port in METRICS.items():
        eventually(partial(_is_ready, f"{played[name]}:{port}"), 180, f"{name} is ready")
    question = questions_for(world, 1, now=1, past=0)[0].text
    door = f"http://{played['hermes-web']}:8000"
    with HermesClient(f"{played['hermes-gateway']}:50051") as client:
        _call(f"{door}/api/v1/cameras", {"id": "lobby", "url": "lobby.mp4"})
        eventually(lambda: client.get_camera("lobby").source.state == "ended", 180, "read")
        answer = client.ask("lobby", question, timeout=120).result()
        assert world.judge(question, answer) == (True, answer.text), question
        any_event = Watch("any", question, ("lobby",), trigger=Trigger(Above(0.001, clear=0)))
        client.create_watch(any_event)

    rest = _call(f"{door}/api/v1/ask", {"camera": "lobby", "question": question})
    assert rest["text"] == answer.text
    part = {"type": "video_url", "video_url": {"url": "camera://lobby"}}
    content = [{"type": "text", "text": question}, part]
    asked = {"model": "hermes", "messages": [{"role": "user", "content": content}]}
    completion = _call(f"{door}/v1/chat/completions", asked)
    assert completion["choices"][0]["message"]["content"] == answer.text
    with urlopen(f"{door}/", timeout=10) as page:
        assert b"<title>" in page.read()
    eventually(lambda: receiver.taken, 120, "an event reaches the webhook")
    assert [one.event["type"] for one in receiver.taken] == ["live.hermes.event.opened"]
    for name, port in METRICS.items():
        with urlopen(f"http://{played[name]}:{port}/metrics", timeout=10) as page:
            assert b"hermes_" in page.read(), name

    for name in ("hermes-redis", *METRICS)[::-1]:
        container = f"{name}-{name.split('-')[1]}"
        began = time.monotonic()
        assert podman.ended_with(container) == 0, podman.logs(container)
        print(f"{name} ended within {time.monotonic() - began:.1f} s")
