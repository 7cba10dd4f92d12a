"""Many cameras are asked, and the worker of one of them is killed in the middle of its answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.client import CameraDelta
from hermes.errors import Retryable
from tests.chaos.conftest import HANGS_S
from tests.support.fleet import running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(HANGS_S)]

CAMERAS = [f"dock-{number}" for number in range(16)]
ANSWERED_S = 240.0
"""One worker writes fifteen answers, on a machine that may be busy."""


def test_one_error_and_fifteen_answers(folder: Path) -> None:
    with running(folder, HERMES_HAND_OVER_WAIT_S="2") as fleet:
        fleet.start("gateway-1", "decoder-1")
        fleet.start("worker-1", max_cameras="15")
        fleet.start("worker-2", max_cameras="1")
        for name in CAMERAS:
            fleet.client.add_camera(name, "loop.mp4", labels={"site": "dock"})

        def taken() -> bool:
            cameras = fleet.client.list_cameras()
            return all(camera.memory.state == "serving" for camera in cameras)

        eventually(taken, 90, "every camera is served")
        owners = {name: fleet.owner(name) for name in CAMERAS}
        (lonely,) = (
            name
            for name, owner in owners.items()
            if owner is not None and owner.instance == "worker-2"
        )
        answers = fleet.client.ask_many(
            "What happened?", selector="site=dock", max_tokens=200, timeout=ANSWERED_S, merge=True
        )
        killed = False
        for event in answers:
            if event.camera_id == lonely and isinstance(event, CameraDelta) and not killed:
                fleet.kill("worker-2")
                killed = True
        result = answers.result()
        assert killed
        assert list(result.errors) == [lonely], result.errors
        assert sorted(result.answers) == sorted(name for name in CAMERAS if name != lonely)
        assert isinstance(result.errors[lonely], Retryable)
        assert result.merged is not None
        assert all(answer.text for answer in result.answers.values())
