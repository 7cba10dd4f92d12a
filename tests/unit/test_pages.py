"""The commands in our pages exist, with the options that the pages give them."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from services.common.settings import ProcessSettings
from services.decoder.settings import DecoderSettings
from services.hermes_worker.settings import WorkerSettings
from services.notifier.settings import NotifierSettings
from services.query_gateway.settings import GatewaySettings
from services.web.settings import WebSettings
from tests.support.pages import ROOT, RUNS, Block, blocks

ALL = blocks()
SERVICES: dict[str, type[ProcessSettings]] = {
    "hermes-worker": WorkerSettings,
    "hermes-gateway": GatewaySettings,
    "hermes-decoder": DecoderSettings,
    "hermes-notifier": NotifierSettings,
    "hermes-web": WebSettings,
}
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)


def test_every_block_is_run_or_says_why_not() -> None:
    silent = [
        block.where for block in ALL if block.can_be_run and not (block.name or block.why_not)
    ]
    assert silent == []


def test_every_run_has_its_blocks() -> None:
    assert {block.name for block in ALL if block.name} == set(RUNS)


def hermes(words: list[str]) -> None:
    """Options are parsed before `--help` is obeyed: an unknown one is refused."""
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0, result.output


def service(kind: type[ProcessSettings]) -> Callable[[list[str]], None]:
    known = {"--" + name.replace("_", "-") for name in kind.model_fields}

    def check(words: list[str]) -> None:
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert flags <= known

    return check


def make(words: list[str]) -> None:
    targets = [word for word in words if "=" not in word]
    assert set(targets) <= set(TARGETS)


def python(words: list[str]) -> None:
    if words[:1] == ["-m"]:
        assert importlib.util.find_spec(words[1]) is not None
    for word in words:
        if word.endswith(".py") and not word.startswith("-"):
            assert (ROOT / word).exists(), word


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "hermes": hermes,
    "make": make,
    "python": python,
    **{name: service(kind) for name, kind in SERVICES.items()},
}


def known_commands() -> list[Any]:
    found = []
    for block in ALL:
        for words in block.commands:
            program = Path(words[0]).name
            arguments = [word for word in words[1:] if word != "..."]
            if program in CHECKS:
                found.append(
                    pytest.param(program, arguments, id=f"{block.page}: {' '.join(words)}")
                )
    return found


@pytest.mark.parametrize(("program", "arguments"), known_commands())
def test_a_command_is_one_that_we_have(program: str, arguments: list[str]) -> None:
    CHECKS[program](arguments)


def test_a_block_is_read_with_its_mark() -> None:
    block = Block("page.md", 1, "sh", 'A=1 hermes ask lobby "Who?" \\\n  --json  # why\nsay "it\n')
    assert block.commands == [["hermes", "ask", "lobby", "Who?", "--json"]]
