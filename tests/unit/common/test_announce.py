"""A launcher reads the bound ports from a file that appears in one step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.common.announce import announce, reachable


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("0.0.0.0:0", "127.0.0.1:1234"),
        ("[::]:0", "127.0.0.1:1234"),
        ("10.1.2.3:0", "10.1.2.3:1234"),
    ],
)
def test_the_announcement_can_be_connected_to(tmp_path: Path, listen: str, address: str) -> None:
    path = tmp_path / "gateway.json"
    announce(str(path), address=reachable(listen, 1234), metrics_port=5678)
    assert json.loads(path.read_text()) == {"address": address, "metrics_port": 5678}
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.json"]


def test_without_a_path_nothing_is_announced() -> None:
    announce("", metrics_port=1)
