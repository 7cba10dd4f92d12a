"""A fleet under the eyes of a Prometheus, and a book of what went wrong and which alert said so."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.support import scaled_rules
from tests.support.fleet import Fleet
from tests.support.patience import Patience
from tests.support.prometheus import Prometheus, running
from tests.support.waiting import eventually

SCRAPE_S = 2
"""As the shipped configuration has it for 15 s, within the factor; a process that is slowed down
must be able to answer in time."""
WITHIN_S = 90.0


@dataclass(slots=True)
class Scene:
    """Something that went wrong. Times are in seconds since 1970.

    `already`: those of its alerts that fired before.
    """

    cause: str
    alerts: tuple[str, ...]
    prometheus: Prometheus
    began: float = 0.0
    gone: float = math.inf
    missing: set[str] = field(default_factory=set)
    already: set[str] = field(default_factory=set)

    def wait(self) -> None:
        """Return once each of its alerts has fired. Raises AssertionError."""
        patience = Patience(WITHIN_S)
        while self.missing:
            late = patience.over
            self.missing -= self.prometheus.firing()
            assert not (late and self.missing), f"{self.cause}: no {', '.join(self.missing)}"
            time.sleep(0.25)


class Watch:
    """Starts services of a fleet, has them scraped, and keeps the book."""

    def __init__(
        self, fleet: Fleet, prometheus: Prometheus, targets: Path, lasting: Collection[str] = ()
    ) -> None:
        """`lasting`: alerts that go on for longer than the session, once they have fired."""
        self.fleet = fleet
        self.prometheus = prometheus
        self._lasting = set(lasting)
        self.began = time.time()
        self.scenes: list[Scene] = []
        self._targets = targets
        self._ports: dict[str, int] = {}

    def start(self, *names: str, **settings: str | Path) -> None:
        """Start services with the demo's model, and return once all were scraped."""
        self.fleet.start(*names, model="demo", **settings)
        for name in names:
            announced = self.fleet.child(name).ready()
            assert announced is not None
            self.scrape(name, int(announced["metrics_port"]))
        for name in names:
            self.until(f'up{{instance="{name}"}} == 1')

    def scrape(self, name: str, port: int) -> None:
        """Have a metrics port scraped. `name` says the service: `worker-3`."""
        self._ports[name] = port
        self._write()

    def forget(self, name: str) -> None:
        """It is known to be gone."""
        del self._ports[name]
        self._write()

    def end(self, name: str) -> None:
        """End a service in order, as an operator does: it is no longer a target."""
        self.forget(name)
        self.fleet.end(name)

    def until(self, expr: str) -> None:
        """Return once an expression holds. Raises AssertionError."""
        eventually(lambda: self.prometheus.query(expr), WITHIN_S, expr)

    @contextmanager
    def scene(self, cause: str, *alerts: str) -> Iterator[Scene]:
        """Something goes wrong inside, and is over at the end. None of its alerts fires before, but
        for a lasting one: where the machine is slow by itself, the table says so.
        """
        still: set[str] = set()

        def silent() -> bool:
            still.clear()
            still.update(self.prometheus.firing() & {*alerts} - self._lasting)
            return not still

        try:
            eventually(silent, WITHIN_S)
        except AssertionError:
            raise AssertionError(f"before {cause}: {', '.join(still)} fires") from None
        already = self.prometheus.firing() & {*alerts}
        scene = Scene(cause, alerts, self.prometheus, time.time(), math.inf, {*alerts}, already)
        self.scenes.append(scene)
        yield scene
        scene.gone = time.time()

    def ever(self, expr: str) -> bool:
        """Whether an expression has given a number since the watch began."""
        series = self.prometheus.between(expr, self.began, time.time())
        return any(not math.isnan(float(value)) for one in series for _, value in one["values"])

    def until_over(self, within_s: float = 150.0) -> None:
        """Return once every alert has ended after its cause did, but for lasting ones. Raises
        AssertionError.
        """
        of = [(scene, alert) for scene in self.scenes for alert in scene.alerts]
        causes = [(scene, alert) for scene, alert in of if alert not in self._lasting]
        patience = Patience(within_s)
        while still := [alert for scene, alert in causes if self._ended(scene, alert) is None]:
            assert not patience.over, f"{', '.join(still)}: fires still"
            time.sleep(1.0)

    def table(self) -> str:
        """Alert by alert: after how long it fired, and after how long it ended once it could."""
        lines = [f"{'alert':31} {'fired':>7} {'ended':>7}  cause"]
        for scene in self.scenes:
            for alert in scene.alerts:
                fired = self._firing(alert, scene.began)[0]
                ended = self._ended(scene, alert)
                over = "-" if ended is None else f"{ended} s"
                before = " (fired before)" if alert in scene.already else ""
                lines.append(f"{alert:31} {fired:5.0f} s {over:>7}  {scene.cause}{before}")
        return "\n".join(lines)

    def _ended(self, scene: Scene, alert: str) -> int | None:
        """The first second after its cause in which an alert did not fire, if there was one."""
        fired = {round(at) for at in self._firing(alert, scene.gone)}
        seconds = range(int(time.time() - scene.gone))
        return next((second for second in seconds if second not in fired), None)

    def _firing(self, alert: str, since: float) -> list[float]:
        """The seconds after `since` in which an alert fired."""
        expr = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
        series = self.prometheus.between(expr, since, time.time())
        return [float(at) - since for one in series for at, _ in one["values"]]

    def _write(self) -> None:
        entries = [
            {
                "targets": [f"127.0.0.1:{port}"],
                "labels": {"job": f"hermes-{name.partition('-')[0]}", "instance": name},
            }
            for name, port in self._ports.items()
        ]
        whole = self._targets.with_suffix(".new")
        whole.write_text(json.dumps(entries))
        whole.rename(self._targets)


@contextmanager
def watching(
    fleet: Fleet,
    folder: Path,
    factor: int,
    bounds: Mapping[str, tuple[str, str]],
    lasting: Collection[str] = (),
) -> Iterator[Watch]:
    """A Prometheus with the shipped rules, whose times are divided by `factor`."""
    folder.mkdir()
    targets, config = folder / "targets.json", folder / "prometheus.yml"
    found = {"files": [str(targets)], "refresh_interval": "1s"}
    every = {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s"}
    config.write_text(
        yaml.safe_dump(
            {
                "global": {**every, "evaluation_interval": "1s"},
                "rule_files": scaled_rules.write(folder, factor, bounds),
                "scrape_configs": [{"job_name": "hermes", "file_sd_configs": [found]}],
            }
        )
    )
    with running(config, folder / "data") as prometheus:
        yield Watch(fleet, prometheus, targets, lasting)
