"""The processes of a local run, as supervision sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from services.cli.log_file import how_it_ended, last_lines, last_words
from services.cli.processes import Child, Pipeline, Setting
from services.cli.redis_server import LocalRedis, NoRedis
from services.cli.supervision import Watched

WARNING = " # "
"""What Redis marks the warnings in its log with."""


@dataclass
class WatchedRedis:
    """The Redis that this command has started."""

    server: LocalRedis
    name: str = "Redis"
    needed: bool = True
    refused: str = ""
    """Why it could not be started."""

    @property
    def log(self) -> Path | None:
        """Its own log."""
        return self.server.log

    def ended(self) -> str:
        """How it ended, for people; empty while it runs."""
        process = self.server.process
        status = None if process is None else process.poll()
        return self.refused or ("" if status is None else how_it_ended(status))

    def why(self) -> str:
        """The last warning in its log."""
        warnings = [line for line in last_lines(self.log) if WARNING in line]
        return warnings[-1].rpartition(WARNING)[2] if warnings else ""

    def start_again(self, same_ports: bool) -> None:
        """On its port in any case: the services know no other."""
        try:
            self.refused = ""
            self.server.start_again()
        except NoRedis as error:
            self.refused = str(error)

    def is_ready(self) -> bool:
        """Whether it has loaded its data, and serves."""
        return self.server.answers()


@dataclass
class WatchedService:
    """A gateway, decoder or worker."""

    pipeline: Pipeline
    child: Child
    needed: bool = False
    keeps_address: bool = False
    """Whether it is known by its address, and must have it again."""
    refused: str = ""
    """Why it could not be started."""
    _ports: dict[str, Setting] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ports = _bound(self.child)

    @property
    def name(self) -> str:
        """As people know it."""
        return self.child.name

    @property
    def log(self) -> Path:
        """Where it writes what happens to it."""
        return self.child.log

    def ended(self) -> str:
        """How it ended, for people; empty while it runs."""
        status = self.child.process.poll()
        return self.refused or ("" if status is None else how_it_ended(status))

    def why(self) -> str:
        """The last error in its log."""
        return last_words(self.child.log)

    def start_again(self, same_ports: bool) -> None:
        """Start it, on the ports that it had."""
        settings = dict(self._ports) if same_ports or self.keeps_address else {}
        self.refused = ""
        try:
            self.pipeline.start_again(self.child, **settings)
        except OSError as error:  # no memory, no processes, no room
            self.refused = f"cannot be started: {error.strerror}"

    def is_ready(self) -> bool:
        """Whether it has announced itself."""
        return self.child.announced() is not None


def _bound(child: Child) -> dict[str, Setting]:
    """The settings that give a service the ports which it has announced."""
    announced = child.announced() or {}
    ports: dict[str, Setting] = {}
    if "metrics_port" in announced:
        ports["metrics_port"] = announced["metrics_port"]
    listen = str(child.settings.get("listen", ""))
    if listen and "address" in announced:
        host = listen.rpartition(":")[0]
        ports["listen"] = f"{host}:{str(announced['address']).rpartition(':')[2]}"
    return ports


def everything_of(pipeline: Pipeline) -> list[Watched]:
    """What is to be watched, Redis first. A Redis of somebody else is not ours to start."""
    redis = pipeline.redis
    ours: list[Watched] = []
    if redis is not None and redis.process is not None:
        ours.append(WatchedRedis(redis))
    services = [
        WatchedService(pipeline, child, keeps_address=child.name in ("gateway", "web"))
        for child in pipeline.children
    ]
    return [*ours, *services]
