"""docs/notifier.md shows a file of sinks that can be read, and names every field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.notifier.sink_config import AlertmanagerConfig, MqttConfig, WebhookConfig
from services.notifier.sinks_file import read_sinks

PAGE = (Path(__file__).parents[3] / "docs" / "notifier.md").read_text()


def test_the_example_can_be_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "sinks.yaml").write_text(text)
    (tmp_path / "app.secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    (tmp_path / "home.password").write_text("sesame")
    sinks = read_sinks(tmp_path / "sinks.yaml")
    assert [sink.kind for sink in sinks] == ["alertmanager", "webhook", "mqtt"]


@pytest.mark.parametrize("kind", [AlertmanagerConfig, WebhookConfig, MqttConfig])
def test_every_field_is_named(kind: type[AlertmanagerConfig]) -> None:
    assert [name for name in kind.model_fields if f"`{name}`" not in PAGE and name != "kind"] == []
