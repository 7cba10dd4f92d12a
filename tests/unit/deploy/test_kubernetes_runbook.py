"""The commands that the documents tell people to run name what there is."""

from __future__ import annotations

import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from tests.support.manifests import COMPONENTS, KUBECTL, MANIFESTS, OVERLAYS, Variant, pod

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

PAGES = {page.name: page.read_text() for page in MANIFESTS.glob("*.md")}
SUBCOMMANDS = {"rollout", "create", "apply"}
"""That have commands of their own below them."""


def commands() -> list[list[str]]:
    """Every command of kubectl in a block of a page, as words."""
    blocks = [
        block
        for page in PAGES.values()
        for block in re.findall(r"^ *```sh\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    ]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if "kubectl " in line]
    return [one[one.index("kubectl") + 1 :] for one in words]


def verb(words: list[str]) -> tuple[str, ...]:
    """The command itself: `drain`, or `rollout status`."""
    plain = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if not word.startswith("-") and before not in ("-n", "-k", "-L")
    ]
    below = plain[0] in SUBCOMMANDS and len(plain) > 1 and "/" not in plain[1]
    if plain[:2] == ["create", "secret"]:
        return tuple(plain[:3])
    return tuple(plain[:2] if below else plain[:1])


def test_flags_are_those_of_kubectl() -> None:
    used: dict[tuple[str, ...], set[str]] = {}
    for words in commands():
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        used.setdefault(verb(words), set()).update(flags)
    assert {("drain",), ("scale",), ("apply", "edit-last-applied"), ("taint",)} <= set(used)

    def unknown(command: tuple[str, ...]) -> set[str]:
        told = subprocess.run(
            [str(KUBECTL), *command, "--help"], capture_output=True, text=True, timeout=60
        ).stdout
        assert "Usage:" in told, command
        return {flag for flag in used[command] if f"{flag}=" not in told}

    with ThreadPoolExecutor(2) as pool:
        assert dict(zip(used, pool.map(unknown, used), strict=True)) == {one: set() for one in used}


def test_objects_are_those_of_the_manifests() -> None:
    variant = Variant("h100", COMPONENTS[:1])
    there = {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in variant.objects}
    for one in yaml.safe_load_all((MANIFESTS / "models" / "job.yaml").read_text()):
        there.add(f"{one['kind'].lower()}/{one['metadata']['name']}")
    for name, workload in variant.workloads.items():
        for number in range(3):
            there.add(f"pod/{name}-{number}")
            for claim in workload["spec"].get("volumeClaimTemplates", []):
                there.add(f"pvc/{claim['metadata']['name']}-{name}-{number}")
    named = {
        word for words in commands() for word in words if re.match(r"[a-z]+/hermes|pvc/", word)
    }
    assert "statefulset/hermes-worker" in named
    assert named <= there


def test_a_drain_deletes_what_pods_keep_on_the_node() -> None:
    """kubectl refuses to drain a node with such volumes unless it is told to delete them."""
    workloads = Variant("h100").workloads.values()
    assert any("emptyDir" in volume for one in workloads for volume in pod(one).get("volumes", []))
    drains = [words for words in commands() if words[0] == "drain"]
    assert drains
    for words in drains:
        assert {"--ignore-daemonsets", "--delete-emptydir-data"} <= set(words)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_table_of_drains_is_that_of_the_overlays(overlay: str) -> None:
    (row,) = re.findall(rf"^\| `{overlay}` \|(.*)\|$", PAGES["maintenance.md"], re.MULTILINE)
    cameras, _, drain, grace = (cell.strip() for cell in row.split("|"))
    variant = Variant(overlay)
    given = variant.environment("hermes-worker")
    assert (cameras, drain) == (given["HERMES_MAX_CAMERAS"], given["HERMES_DRAIN_S"])
    worker = pod(variant.workloads["hermes-worker"])
    assert grace == str(worker["terminationGracePeriodSeconds"])
