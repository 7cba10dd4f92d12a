"""How a worker reads its settings."""

from __future__ import annotations

import pytest

from services.hermes_worker.settings import WorkerSettings


@pytest.mark.parametrize(
    ("advertise", "address"),
    [
        ("worker-0", "worker-0:7"),
        ("worker-0:9", "worker-0:9"),
        ("10.1.2.3", "10.1.2.3:7"),
        ("10.1.2.3:9", "10.1.2.3:9"),
        ("fd00::1", "[fd00::1]:7"),  # as Kubernetes writes a pod's address
        ("[fd00::1]", "[fd00::1]:7"),
        ("[fd00::1]:9", "[fd00::1]:9"),
    ],
)
def test_gateways_get_an_address_with_a_port(
    monkeypatch: pytest.MonkeyPatch, advertise: str, address: str
) -> None:
    monkeypatch.setenv("HERMES_ADVERTISE", advertise)
    assert WorkerSettings().advertised(7) == address
