"""`python -m benchmarks.redis_load`: what cameras and workers cost Redis, in CPU.

Nothing is decoded, and no time is waited for: each round does at once what a second
of all cameras would do, and the servers say how much CPU it took them (INFO cpu). So
other work on the machine counts little. Frames are random bytes of a usual size.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import structlog

from hermes.v1.frames_pb2 import Frame, FrameChunk
from services.cli import redis_server
from services.common.connection import connect
from services.common.frame_log import LogId, RedisFrameLog
from services.common.leases import Lease, Leases
from services.common.metrics import Metrics
from services.common.ownership import Ownership
from services.common.placement import Member
from services.common.redis_cluster import ClusterClient
from tests.support.redis_clusters import running_cluster
from tests.support.simulated_fleet import SimulatedHolder, register

FRAME_BYTES = 35_000
"""A sampled JPEG of 384x384 pixels at quality 95: see docs/sizing.md."""
KEPT_S = 3
"""Seconds of each log that are kept, so that 2,000 cameras fit into the machine."""
ROUNDS = 3
STEADY_ROUNDS = 6
PATIENCE_S = 600.0
CAMERAS_OF_A_WORKER = 64
SHAPES = {"one server": 0, "three servers": 3}


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU in seconds, and commands."""

    servers_s: tuple[float, ...]
    client_s: float
    commands: int


@contextmanager
def shape(primaries: int) -> Iterator[str]:
    """The URL of one server, or of a cluster."""
    with tempfile.TemporaryDirectory() as folder:
        if primaries:
            with running_cluster(Path(folder) / "cluster", primaries) as cluster:
                yield cluster.url
            return
        server = redis_server.start(Path(folder) / "redis")
        client = redis.Redis.from_url(server.url)
        client.config_set("appendonly", "no")  # as the cluster's servers
        client.close()
        try:
            yield server.url
        finally:
            server.stop()


class Meter:
    """What servers and this process have spent since the last look."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._before = self._now()

    def spent(self) -> Spent:
        """Since the last call."""
        before, self._before = self._before, self._now()
        servers, own, commands = self._before
        return Spent(
            tuple(now - then for now, then in zip(servers, before[0], strict=True)),
            own - before[1],
            commands - before[2],
        )

    def _now(self) -> tuple[list[float], float, int]:
        cpu, stats = self._info("cpu"), self._info("stats")
        servers = [one["used_cpu_user"] + one["used_cpu_sys"] for one in cpu]
        return servers, time.process_time(), sum(s["total_commands_processed"] for s in stats)

    def _info(self, section: str) -> Sequence[Any]:
        if isinstance(self._client, ClusterClient):
            return self._client.info_of_each(section)
        return [self._client.info(section)]


def frames(url: str, count: int) -> Spent:
    """A second of so many cameras at one frame a second, appended, read and renewed."""
    client = connect(url)
    client.flushdb()
    camera_ids = [f"camera-{number}" for number in range(count)]
    decoder, worker = (Leases(client, role, "bench", "bench:1") for role in ("decoder", "worker"))
    fences: dict[str, Lease] = {}
    held: list[Lease] = []
    for camera_id in camera_ids:
        for leases in (decoder, worker):
            lease = leases.acquire(camera_id)
            assert lease is not None
            if leases is decoder:
                fences[camera_id] = lease
            else:
                held.append(lease)
    log, jpeg = RedisFrameLog(client), os.urandom(FRAME_BYTES)
    last = {camera_id: LogId(0) for camera_id in camera_ids}
    meter = Meter(client)
    for number in range(1, KEPT_S + ROUNDS + 1):
        if number == KEPT_S + 1:
            meter.spent()  # logs have their length now
        now_ms = 1_000 * number
        for camera_id, lease in fences.items():
            frame = Frame(jpeg=jpeg, capture_time_ms=now_ms)
            made = FrameChunk(camera_id=camera_id, epoch=lease.epoch, frames=[frame])
            log.append(made, lease.fence, LogId(max(0, now_ms - KEPT_S * 1000)))
        for first in range(0, count, CAMERAS_OF_A_WORKER):
            some = {c: last[c] for c in camera_ids[first : first + CAMERAS_OF_A_WORKER]}
            for entry in log.read(some, count=4, block_s=0):
                last[entry.camera_id] = entry.id
        worker.put_status((lease, {"memory": "x" * 600}) for lease in held)
        decoder.put_status((lease, {"source": "x" * 300}) for lease in fences.values())
        if number % 3 == 0:
            worker.renew(held, {})
            decoder.renew(fences.values(), {})
    spent = meter.spent()
    client.close()
    return Spent(
        tuple(server / ROUNDS for server in spent.servers_s),
        spent.client_s / ROUNDS,
        spent.commands // ROUNDS,
    )


class Clock:
    """A clock that the simulation moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def workers(url: str, count: int, cameras: int) -> str:
    """So many workers' rounds of ownership, one after the other: a row of the table."""
    client = connect(url)
    client.flushdb()
    register(client, [f"camera-{number}" for number in range(cameras)])
    capacity, clock = -(-cameras // count) * 5 // 4, Clock()
    fleet = [_worker(client, f"worker-{number}", capacity, clock) for number in range(count)]
    meter, rounds = Meter(client), 0
    while sum(len(holder.has) for _, holder in fleet) < cameras and rounds < 40:
        for ownership, _ in fleet:
            ownership.tick()
        rounds, clock.now = rounds + 1, clock.now + 0.5
    owning = meter.spent()
    for _ in range(STEADY_ROUNDS):  # with many cameras, not each of them looks at all leases
        for ownership, _ in fleet:
            ownership.tick()
        clock.now += 0.5
    steady, seconds = meter.spent(), 0.5 * STEADY_ROUNDS
    left, moved = len(fleet[0][1].has), _after_a_death(fleet[1:], cameras, clock)
    client.close()
    return (
        f"| {count} | {cameras} | {rounds * 0.5:.1f} | {owning.commands:,}"
        f" | {steady.commands / seconds:,.0f} | {1000 * sum(steady.servers_s) / seconds:,.0f}"
        f" | {1000 * steady.client_s / seconds / count:,.0f} | {left}, {moved} |"
    )


def _after_a_death(
    survivors: Sequence[tuple[Ownership, SimulatedHolder]], cameras: int, clock: Clock
) -> int:
    """How many cameras get another owner until all have one again. Leases end in real time."""
    gains = sum(len(holder.gains) for _, holder in survivors)
    until = time.monotonic() + PATIENCE_S
    while sum(len(holder.has) for _, holder in survivors) < cameras:
        if time.monotonic() > until:
            raise TimeoutError("not all cameras have an owner again")
        for ownership, _ in survivors:
            ownership.tick()
        clock.now += 0.5
    return sum(len(holder.gains) for _, holder in survivors) - gains


def _worker(
    client: redis.Redis, instance: str, capacity: int, clock: Clock
) -> tuple[Ownership, SimulatedHolder]:
    holder = SimulatedHolder()

    def member(load: int, now_ms: int) -> Member:
        return Member(instance, f"{instance}:1", "cpu", capacity, load, now_ms)

    leases = Leases(client, "worker", instance, f"{instance}:1")
    return (
        Ownership(
            client, leases, holder, member, Metrics(), "worker", capacity, clock, balance=False
        ),
        holder,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redis_load", description=__doc__)
    parser.add_argument("--cameras", type=int, nargs="*", default=[64, 500, 2000])
    parser.add_argument("--fleets", nargs="*", default=["10x500", "10x1000", "50x1000"])
    parser.add_argument("--shapes", nargs="*", choices=SHAPES, default=list(SHAPES))
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if options.cameras:
        print("| Redis | cameras | commands/s | CPU of each server, ms/s | CPU of clients, ms/s |")
        print("| --- | --- | --- | --- | --- |")
    for name in options.shapes:
        with shape(SHAPES[name]) as url:
            for count in options.cameras:
                spent = frames(url, count)
                each = ", ".join(f"{1000 * server:.0f}" for server in spent.servers_s)
                print(
                    f"| {name} | {count} | {spent.commands:,} | {each}"
                    f" | {1000 * spent.client_s:.0f} |",
                    flush=True,
                )
    if options.fleets:
        print(
            "\n| workers | cameras | s to own all | commands until then | commands/s then", end=""
        )
        print(
            " | CPU of Redis, ms/s | CPU of a worker's ownership, ms/s"
            " | cameras of one that dies, cameras that get another owner |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        with shape(0) as url:
            for fleet in options.fleets:
                count, _, cameras = fleet.partition("x")
                print(workers(url, int(count), int(cameras)), flush=True)


if __name__ == "__main__":
    main()
