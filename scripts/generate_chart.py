"""Generate what the Helm chart has from elsewhere, or check that it is current.

A chart must hold all that it is made of: copies of rules, dashboards and Redis' files, and the
schema of its values, in which each service's settings are described as the service itself does.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from services.common.settings import ProcessSettings
from services.decoder.settings import DecoderSettings
from services.hermes_worker.settings import WorkerSettings
from services.notifier.settings import NotifierSettings
from services.query_gateway.settings import GatewaySettings
from services.web.settings import WebSettings

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy" / "helm" / "hermes-live"
SOURCE = ROOT / "deploy" / "helm" / "values.schema.yaml"
SETTINGS: dict[str, type[ProcessSettings]] = {
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "decoder": DecoderSettings,
    "notifier": NotifierSettings,
    "web": WebSettings,
}
OF_THE_CHART = frozenset(
    {
        # Pods say these.
        "instance", "redis_url", "advertise", "announce",
        # Ports, which containers and probes have as well.
        "metrics_port", "metrics_host", "listen",
        # `tls`, `redis.users`, `auth`, `checkpoints` and the notifier's Secret.
        "redis_username", "redis_password_file",
        "redis_tls_ca_file", "redis_tls_cert_file", "redis_tls_key_file",
        "tls_cert_file", "tls_key_file",
        "worker_tls_ca_file", "worker_tls_cert_file", "worker_tls_key_file", "worker_tls_name",
        "gateway", "gateway_ca_file",
        "tokens_file", "jwt_jwks", "jwt_issuer", "jwt_audience", "checkpoint_url", "sinks",
    }
)  # fmt: skip
"""Settings that are no values of their own, because other values make them."""
OTHERS = "^([A-GI-Z]|H[A-DF-Z])[A-Z0-9_]*$"
"""Variables of libraries (HF_, AWS_, OTEL_), which do not begin as the settings do."""
KEPT = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength")


def copies() -> dict[Path, Path]:
    """Where each copied file comes from, by where it lies in the chart."""
    manifests, files = ROOT / "deploy" / "k8s", CHART / "files"
    found = {
        files / "redis.conf": manifests / "base" / "redis.conf",
        files / "with-tls.conf": manifests / "components" / "tls" / "with-tls.conf",
        files / "users.acl": manifests / "components" / "redis-acl" / "users.acl",
    }
    for path in (ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"):
        found[files / "rules" / path.name] = path
    for path in (ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"):
        found[files / "dashboards" / path.name] = path
    return found


def schema() -> str:
    """The schema of the chart's values."""
    written = yaml.safe_load(SOURCE.read_text())
    del written["x-parts"]
    made = _with_settings(written)
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _with_settings(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_settings(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "x-settings" in value:
        return settings_of(SETTINGS[value["x-settings"]])
    return {key: _with_settings(one) for key, one in value.items()}


def settings_of(kind: type[ProcessSettings]) -> dict[str, Any]:
    """The schema of a service's settings, by the names of their variables."""
    fields = kind.model_json_schema()["properties"]
    return {
        "description": "Settings as variables (docs/running.md), over the preset's.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            f"HERMES_{name.upper()}": _setting(field)
            for name, field in sorted(fields.items())
            if name not in OF_THE_CHART
        },
        "patternProperties": {OTHERS: {"type": ["string", "number", "boolean"]}},
    }


def _setting(field: Mapping[str, Any]) -> dict[str, Any]:
    """A setting as a variable: a number, a boolean or a text."""
    for choice in field.get("anyOf", ()):
        if choice.get("type") != "null":
            return _setting({**field, "anyOf": (), **choice})
    made = {key: field[key] for key in KEPT if key in field}
    if made.get("type") not in ("integer", "number", "boolean", "string"):
        made = {"type": "string"}  # a list is written with commas or as JSON
    return {"description": field["description"], **made}


def current() -> dict[Path, str]:
    """Every generated file, with what is to be in it."""
    made = {target: source.read_text() for target, source in copies().items()}
    return {CHART / "values.schema.json": schema(), **made}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, change nothing")
    check = parser.parse_args().check
    for path, text in current().items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{path.relative_to(ROOT)} is not current: run make chart")


if __name__ == "__main__":
    main()
