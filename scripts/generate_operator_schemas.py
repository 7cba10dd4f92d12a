"""Generate JSON schemas of the operators' objects that deploy/k8s makes.

They come from packages that are made from the operators' CRDs. Nothing else needs those, and they
bring a pytest plugin: install them in a virtual environment of its own.

    pip install cloudcoil.models.prometheus_operator==0.80.1.0 cloudcoil.models.keda==2.16.1.0
    python scripts/generate_operator_schemas.py
"""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "tests" / "support" / "schemas"
OBJECTS = {
    "PodMonitor": ("prometheus_operator", "v1"),
    "PrometheusRule": ("prometheus_operator", "v1"),
    "ScaledObject": ("keda", "v1alpha1"),
}


def strict(schema: Any) -> Any:
    """The schema as an API server sees it: a field is of its type or is not there, never null."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept: Any = {
        key: {name: strict(one) for name, one in value.items()}
        if key in ("properties", "$defs")
        else strict(value)
        for key, value in schema.items()
        if key not in ("default", "title", "description")
    }
    if "pattern" in kept:  # Go takes flags anywhere, Python at the beginning
        kept["pattern"] = kept["pattern"].replace("^(?i)", "(?i)^")
    kinds = [one for one in kept.pop("anyOf", []) if one != {"type": "null"}]
    return kept | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})


def main() -> None:
    # Before there is any model: they would take unknown fields, and Python's names for fields.
    config = import_module("cloudcoil.pydantic").BaseModel.model_config
    config.update(extra="forbid", populate_by_name=False)
    TARGET.mkdir(exist_ok=True)
    for kind, (package, version) in OBJECTS.items():
        model = getattr(import_module(f"cloudcoil.models.{package}.{version}"), kind)
        source = metadata(f"cloudcoil.models.{package}")
        schema = strict(model.model_json_schema())
        schema["required"] = sorted({*schema.get("required", []), "apiVersion", "kind", "metadata"})
        origin = f"{source['Name']} {source['Version']}, {source['License']}"
        schema = {"$comment": f"scripts/generate_operator_schemas.py: {origin}"} | schema
        (TARGET / f"{kind}.json").write_text(json.dumps(schema, indent=1) + "\n")


if __name__ == "__main__":
    main()
