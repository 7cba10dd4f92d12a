"""How the house is built: what linters and type checkers do not see."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SERVICES = sorted(
    path.parent.name
    for path in (ROOT / "services").glob("*/__init__.py")
    if path.parent.name != "common"
)
GENERATED = ROOT / "hermes" / "v1"
MAX_LINES = 400

BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)

sys.meta_path.insert(0, Blocker())
import {module}
"""


def sources() -> list[Path]:
    folders = (ROOT / "hermes", ROOT / "services")
    return [p for folder in folders for p in folder.rglob("*.py") if GENERATED not in p.parents]


def import_without(module: str, blocked: set[str]) -> str:
    """What a fresh interpreter says when it imports the module; nothing if all is well."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKER.format(module=module, blocked=blocked)],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=100,
    ).stderr


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_main_and_a_command(service: str) -> None:
    module = ast.parse((ROOT / "services" / service / "main.py").read_text())
    functions = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
    assert "main" in functions
    commands = PYPROJECT["project"]["scripts"]
    assert f"services.{service}.main:main" in commands.values()


def test_every_command_leads_somewhere() -> None:
    for target in PYPROJECT["project"]["scripts"].values():
        module, _, _ = target.partition(":")
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists(), target


def test_every_script_of_redis_is_packaged_and_used() -> None:
    folder = resources.files("services.common.lua")
    names = {path.stem for path in (ROOT / "services/common/lua").glob("*.lua")}
    code = "".join(path.read_text() for path in (ROOT / "services").rglob("*.py"))
    assert names
    for name in names:
        assert folder.joinpath(f"{name}.lua").read_text().startswith("-- ")
        assert re.search(rf'"{name}(\.lua)?"', code), f"{name}.lua is not used"


def test_the_library_needs_no_service_library() -> None:
    modules = [
        f"hermes.{name}"
        for name in (
            "memory",
            "vlm",
            "engine",
            "demo",
            "errors",
            "evaluation.run",
            "evaluation.report",
        )
    ]
    needless = {"redis", "grpc", "google", "av", "prometheus_client", "structlog", "pydantic"}
    assert import_without(", ".join(modules), needless) == ""


def test_transformers_is_imported_with_a_model_and_not_before() -> None:
    """It takes longer to import than PyTorch: wrong settings are reported without it."""
    modules = ["hermes.engine", "hermes.vlm", "hermes.demo", "services.hermes_worker.main"]
    assert import_without(", ".join(modules), {"transformers", "sympy"}) == ""


def test_clients_gateway_and_decoder_need_no_torch() -> None:
    modules = [
        "hermes.client",
        "hermes.picture",
        "services.decoder.main",
        "services.notifier.main",
        "services.query_gateway.main",
        "services.web.main",
        "services.cli.main",
    ]
    needless = {"torch", "transformers", "tokenizers", "safetensors"}
    assert import_without(", ".join(modules), needless) == ""


def test_files_stay_readable() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_every_folder_of_code_is_a_package() -> None:
    folders = {path.parent for path in sources()}
    assert [str(f) for f in folders if not (f / "__init__.py").exists()] == []


def test_test_files_have_names_of_their_own() -> None:
    """Every folder of tests is a package, so that two files may share a name."""
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert [str(f) for f in folders if not (f / "__init__.py").exists()] == []


def test_what_ci_runs_is_what_a_person_runs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    called = set(re.findall(r"^\s*make ([a-z-]+)", script.read_text(), re.MULTILINE))
    assert called == {"check", "test"} <= targets
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert job["strategy"]["matrix"]["python"][0] == oldest


def test_no_member_of_an_enum_is_an_empty_tuple() -> None:
    """Up to Python 3.11.3, which Debian 12 has, such a member's value is some other object."""
    found = [
        f"{path.relative_to(ROOT)}:{line.lineno}"
        for path in sources()
        for made in ast.walk(ast.parse(path.read_text()))
        if isinstance(made, ast.ClassDef) and "Enum" in {ast.unparse(base) for base in made.bases}
        for line in made.body
        if isinstance(line, ast.Assign) and ast.unparse(line.value) == "()"
    ]
    assert not found
