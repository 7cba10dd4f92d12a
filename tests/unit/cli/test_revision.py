"""A revision of the model reaches the worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from services.cli.config import UpConfig
from services.cli.local import LocalSettings, start_services


class Started(Exception):
    pass


class Recorder:
    """A pipeline that starts nothing."""

    def __init__(self) -> None:
        self.options: dict[str, dict[str, object]] = {}

    def start_redis(self) -> object:
        return SimpleNamespace(origin="none")

    def start(self, name: str, module: str, **options: object) -> None:
        self.options[name] = options
        if name == "gateway":
            raise Started


@pytest.mark.parametrize("revision", ["", "v2"])
def test_a_revision_reaches_the_worker(revision: str) -> None:
    pipeline: Any = Recorder()
    settings = LocalSettings(model="owner/name", revision=revision)
    with pytest.raises(Started):
        start_services(pipeline, settings, lambda text: None)
    assert pipeline.options["worker"].get("model_revision", "") == revision


def test_a_file_may_name_a_revision() -> None:
    assert UpConfig.model_validate({"model": "owner/name", "revision": "v2"}).revision == "v2"


@pytest.mark.parametrize("tokens", [0, 300])
def test_the_most_tokens_of_a_frame_reach_the_worker(tokens: int) -> None:
    pipeline: Any = Recorder()
    settings = LocalSettings(model="owner/name", frame_tokens=tokens)
    with pytest.raises(Started):
        start_services(pipeline, settings, lambda text: None)
    assert pipeline.options["worker"].get("frame_tokens", 0) == tokens
    assert UpConfig.model_validate({"frame_tokens": tokens}).frame_tokens == tokens
