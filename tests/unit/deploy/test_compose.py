"""The compose files fit the specification, the images, the settings and the files they mount."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.common.settings import ProcessSettings, ServiceSettings, load
from services.decoder.settings import DecoderSettings
from services.hermes_worker.settings import WorkerSettings
from services.notifier.settings import NotifierSettings
from services.notifier.sinks_file import read_sinks
from services.query_gateway.settings import GatewaySettings
from services.web.settings import WebSettings
from tests.support import compose
from tests.support.dockerfile import DOCKERFILE, ROOT, SERVICES, environment, last, stages

GPU = "compose.gpu.yaml"
SETTINGS: dict[str, type[ProcessSettings]] = {
    "decoder": DecoderSettings,
    "worker": WorkerSettings,
    "gateway": GatewaySettings,
    "notifier": NotifierSettings,
    "web": WebSettings,
}
every = pytest.mark.parametrize("service", SERVICES)
files = pytest.mark.parametrize("overrides", [(), (GPU,)], ids=["cpu", "gpu"])


def validate(file: Path) -> subprocess.CompletedProcess[str]:
    command = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("file", sorted(compose.FOLDER.glob("compose*.yaml")), ids=lambda f: f.name)
def test_fits_the_compose_specification(file: Path) -> None:
    done = validate(file)
    assert done.returncode == 0, done.stdout


def test_the_specification_sees_a_field_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("services: {redis: {image: redis, prots: [6379]}}")
    done = validate(file)
    assert done.returncode == 1
    assert "prots" in done.stdout


@every
def test_images_are_those_of_the_dockerfile(service: str) -> None:
    found = compose.services()[service]
    tags = {
        one["name"]: one["newTag"]
        for folder in ("base", "components/notifier")
        for one in yaml.safe_load(
            (ROOT / "deploy/k8s" / folder / "kustomization.yaml").read_text()
        )["images"]
    }
    tag = tags[f"hermes-live-{service}"]
    assert compose.services(GPU)[service]["image"] == f"hermes-live-{service}:{tag}"
    assert found["image"] == f"hermes-live-{service}:{tag.removesuffix('-cuda')}"
    for_gpu = compose.services(GPU)[service]["build"].get("args", {}).get("DEVICE")
    assert for_gpu == ("cuda" if service == "worker" else None)
    build = found["build"]
    assert (compose.FOLDER / build["context"]).resolve() == ROOT
    assert ROOT / build["dockerfile"] == DOCKERFILE
    assert build["target"] == service
    arguments = compose.services(GPU)[service]["build"].get("args", {})
    declared = {line.partition("=")[0] for stage in stages().values() for line in stage.all("ARG")}
    assert set(arguments) <= declared


@files
@every
def test_variables_are_settings_and_make_sense(
    overrides: tuple[str, ...], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = compose.services(*overrides)[service]["environment"]
    given = {name: value for name, value in variables.items() if name.startswith("HERMES_")}
    kind = SETTINGS[service]
    assert {name.removeprefix("HERMES_").lower() for name in given} <= set(kind.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))
    settings = load(kind, service, [])
    assert given["HERMES_METRICS_PORT"] == environment(service)["HERMES_METRICS_PORT"]
    if isinstance(settings, ServiceSettings):
        assert settings.redis_url == "redis://redis:6379/0"
    if isinstance(settings, WorkerSettings):
        assert settings.advertised(1) == "worker:1"
        assert settings.device == ("cuda" if overrides else "cpu")
        grace = compose.services()[service]["stop_grace_period"]
        assert settings.drain_s + 10 < float(grace.removesuffix("s"))
    if isinstance(settings, GatewaySettings | WebSettings):
        assert settings.drain_grace_s < 30
    if isinstance(settings, WebSettings):
        gateway = compose.services()["gateway"]["environment"]["HERMES_LISTEN"]
        assert settings.gateway == gateway.replace("0.0.0.0", "gateway")
        assert settings.hosts == ("127.0.0.1", "localhost")
    if isinstance(settings, NotifierSettings):
        (mount,) = compose.mounts(compose.services()[service])
        assert settings.sinks.is_relative_to(mount[1])
        assert read_sinks(compose.FOLDER / mount[0] / settings.sinks.name)


def test_gateway_and_decoder_see_the_same_files() -> None:
    for media in ("", "/srv/video"):
        found = compose.services(variables={"MEDIA": media})
        for service in ("gateway", "decoder"):
            assert (media or "media", "/media", False) in compose.mounts(found[service])
            assert found[service]["environment"]["HERMES_MEDIA_ROOT"] == "/media"


def test_every_mount_is_there() -> None:
    volumes = yaml.safe_load((compose.FOLDER / "compose.yaml").read_text())["volumes"]
    used = set()
    for service in compose.services().values():
        for source, _, writable in compose.mounts(service):
            if source.startswith("."):
                assert (compose.FOLDER / source).exists(), source
                assert not writable, source
            else:
                used.add(source)
    assert used == set(volumes)


@every
def test_services_can_write_where_they_have_to(service: str) -> None:
    (made,) = (line for line in stages()["service"].all("RUN") if "chown" in line)
    owned = made.partition("chown 10001:10001 ")[2].split()
    found = compose.services()[service]
    assert found["read_only"] is True
    assert found["tmpfs"] == ["/tmp"]
    for _, target, writable in compose.mounts(found):
        assert not writable or target in owned


@files
def test_no_service_can_take_the_machines_whole_memory(overrides: tuple[str, ...]) -> None:
    found = compose.services(*overrides)
    limits = {name: found[name]["mem_limit"] for name in ("redis", *SERVICES)}
    worker = "32g" if overrides else "8g"
    rest = {"redis": "4g", "decoder": "4g", "gateway": "1g", "notifier": "512m", "web": "512m"}
    assert limits == rest | {"worker": worker}
    assert compose.services(variables={"WORKER_MEMORY": "12g"})["worker"]["mem_limit"] == "12g"


def test_a_gpu_can_be_chosen() -> None:
    for given, wanted in (({}, "0"), ({"GPU": "3"}, "3")):
        worker = compose.services(GPU, variables=given)["worker"]
        (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
        assert device["device_ids"] == [wanted]
        assert "count" not in device


def test_prometheus_keeps_the_ids_of_traces() -> None:
    assert "--enable-feature=exemplar-storage" in compose.services()["prometheus"]["command"]


def test_ports_are_bound_to_this_machine() -> None:
    ports = [port for service in compose.services().values() for port in service.get("ports", [])]
    assert [port.rpartition(":")[2] for port in ports] == ["50051", "8000", "9090", "3000"]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert "50051" in last("gateway", "EXPOSE")
    assert "8000" in last("web", "EXPOSE")


def test_everyone_waits_for_what_it_needs_and_says_when_it_is_ready() -> None:
    found = compose.services()
    for service in SERVICES:
        needed = "gateway" if service == "web" else "redis"
        assert found[service]["depends_on"] == {needed: {"condition": "service_healthy"}}
        assert found[service]["healthcheck"]["test"][:3] == ["CMD", "python", "-c"]
        compile(found[service]["healthcheck"]["test"][3], "healthcheck", "exec")
    assert found["redis"]["healthcheck"]["test"]


def test_redis_keeps_what_the_manifest_makes_it_keep() -> None:
    options = dict(
        shlex.split(line.removeprefix("--")) for line in compose.services()["redis"]["command"][1:]
    )
    conf = (ROOT / "deploy" / "k8s" / "base" / "redis.conf").read_text().splitlines()
    there = dict(
        shlex.split(line) for line in conf if line and not line.startswith("#") and " " in line
    )
    assert options.pop("maxmemory") == "2gb"
    # The manifest sets a password; here the network keeps everyone else out.
    assert options.pop("protected-mode") == "no"
    inside = {
        name for name, one in compose.services().items() if "inside" in one.get("networks", [])
    }
    assert inside == {"redis", *SERVICES} - {"web"}  # a client of the gateway
    assert {name: there[name] for name in options} == options
    assert options["appendonly"] == "yes"


def scraped(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def test_prometheus_finds_the_services_under_the_names_that_rules_know() -> None:
    here = scraped(compose.FOLDER / "prometheus.yml")
    there = scraped(ROOT / "deploy" / "prometheus" / "prometheus.yml")
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in here["scrape_configs"]}
    assert list(jobs) == [job["job_name"] for job in there["scrape_configs"]]
    for job, targets in jobs.items():
        service = job.removeprefix("hermes-")
        port = compose.services()[service]["environment"]["HERMES_METRICS_PORT"]
        assert targets == [f"{service}:{port}"]
    for part in ("global", "rule_files"):
        assert here[part] == there[part]


def test_grafana_finds_prometheus_and_its_dashboard() -> None:
    found = compose.services()["grafana"]
    assert found["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"
    provider = ROOT / "deploy" / "grafana" / "provisioning" / "dashboards" / "hermes-live.yml"
    (one,) = yaml.safe_load(provider.read_text())["providers"]
    assert one["options"]["path"] in {target for _, target, _ in compose.mounts(found)}
