"""All services as processes, under test."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable

from hermes.client import Camera, HermesClient
from hermes.errors import HermesError
from services.cli.processes import Child, Pipeline
from tests.support.patience import Patience


class Running:
    """A pipeline under test."""

    def __init__(self, pipeline: Pipeline, address: str) -> None:
        self.pipeline = pipeline
        self.address = address
        self.client = HermesClient(address)

    def until(
        self, camera_id: str, condition: Callable[[Camera], bool], timeout_s: float = 30.0
    ) -> Camera:
        patience = Patience(timeout_s)
        last: Camera | str = "never seen"
        while not patience.over:
            self.pipeline.check()
            try:
                last = self.client.get_camera(camera_id)
                if condition(last):
                    return last
            except HermesError as error:
                last = str(error)
            time.sleep(0.1)
        raise AssertionError(f"{camera_id}: {last}")

    def answer(self, camera_id: str) -> int:
        """Ask; how many frames the answer had seen."""
        stream = self.client.ask(camera_id, "What is there?", max_tokens=4, timeout=20)
        assert "".join(stream)
        return stream.result().coverage.frames_seen

    def child(self, name: str) -> Child:
        """A service that was started and not killed."""
        return next(child for child in self.pipeline.children if child.name == name)

    def kill(self, name: str) -> None:
        """kill -9, and expect it to be gone."""
        child = self.child(name)
        child.process.kill()
        child.process.wait()
        self.pipeline.children.remove(child)

    def metrics(self, name: str) -> dict[str, float]:
        """The series of a service, by name and labels."""
        announced = self.child(name).ready()
        assert announced is not None
        url = f"http://127.0.0.1:{announced['metrics_port']}/metrics"
        with urllib.request.urlopen(url, timeout=5) as response:
            lines = response.read().decode().splitlines()
        series = (line.rpartition(" ") for line in lines if line[0] != "#")
        return {name: float(value) for name, _, value in series}

    def logs(self) -> str:
        return "".join(path.read_text() for path in (self.pipeline.folder / "logs").iterdir())


def online(frames: int = 1) -> Callable[[Camera], bool]:
    return lambda camera: (
        camera.source.state == "online"
        and camera.memory.state == "serving"
        and camera.memory.frames >= frames
    )
