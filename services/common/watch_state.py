"""What the triggers of one camera's watches remember, and the way of its events into the log.

State and events are in different slots of a cluster, and only the state's slot has
the camera's lease. So it takes two steps, each of which may be repeated:

1. `write`: the new states and the messages that follow from them go into the
   camera's hash and outbox in one step, under the lease.
2. `publish`: each message of the outbox is appended to the log, in order, and then
   leaves the outbox.

A crash before the first step changes nothing: the successor finds the old state and
sees the same frames. A crash after it leaves the messages in the outbox, and the
successor publishes them before its own. A message that was appended before, also by
a former owner that wakes, is not appended again: see `event_log`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import redis
from google.protobuf.message import DecodeError

from hermes.errors import InvalidInput
from hermes.v1.event_pb2 import Event
from services.common import keys, logs
from services.common.event_log import EventLog
from services.common.frame_log import Fenced
from services.common.leases import Lease
from services.common.scripts import load_script

log = logs.get(__name__)

MOST_PENDING = 1_000
"""Messages of one camera that may wait for the log."""


class OutboxFull(Exception):
    """The log takes no messages, and the outbox of the camera is full. Nothing was written."""


class WatchState(Protocol):
    """The watches' state of one camera, for one tenure. For one thread."""

    def read(self) -> dict[str, bytes]:
        """What each watch's trigger remembers, by watch id."""
        ...

    def write(self, states: Mapping[str, bytes | None], events: Sequence[Event] = ()) -> None:
        """Replace states and hand over messages, in one step. None deletes a state.

        After any other error than these it is not known whether it was written: write
        the same again. Raises `Fenced` if the lease is no longer ours, and `OutboxFull`.
        """
        ...

    def publish(self) -> int:
        """Append what was handed over to the log, the oldest first; how many messages it was.

        The first call of a tenure also appends what former owners left.
        """
        ...


class RedisWatchState:
    """`WatchState` on Redis. Every method may raise `redis.RedisError`, and be called again."""

    def __init__(
        self,
        client: redis.Redis,
        lease: Lease,
        events: EventLog,
        most_pending: int = MOST_PENDING,
    ) -> None:
        self._redis = client
        self._lease = lease
        self._log = events
        self._most_pending = most_pending
        self._put = load_script(client, "put_watch_state")
        self._written = 0
        self._looked = False
        self._pending = Outbox()

    def read(self) -> dict[str, bytes]:
        """See `WatchState`."""
        found: Any = self._redis.hgetall(keys.watch_state(self._lease.camera_id))
        return {watch.decode(errors="replace"): state for watch, state in found.items()}

    def write(self, states: Mapping[str, bytes | None], events: Sequence[Event] = ()) -> None:
        """See `WatchState`."""
        if not states and not events:
            return
        self._look()
        new = [
            (f"{self._lease.epoch}-{number}", event.SerializeToString())
            for number, event in enumerate(events, self._written + 1)
        ]
        self._written += len(new)  # a number is used once, also if the reply is lost
        args: list[Any] = [
            self._lease.fence.instance,
            self._lease.epoch,
            self._most_pending,
            len(states),
        ]
        for watch_id, state in states.items():
            args += [watch_id, state or b""]
        for field, message in new:
            args += [field, message]
        camera_id = self._lease.camera_id
        key_list = [
            keys.watch_state(camera_id),
            keys.watch_outbox(camera_id),
            keys.lease(camera_id, "worker"),
        ]
        try:
            outcome = self._put(keys=key_list, args=args)
        except redis.RedisError:
            self._looked = False  # it may have been written
            raise
        if outcome == b"FENCED":
            raise Fenced(camera_id)
        if outcome == b"FULL":
            raise OutboxFull(camera_id)
        self._pending.put(new)

    def publish(self) -> int:
        """See `WatchState`."""
        self._look()
        outbox = keys.watch_outbox(self._lease.camera_id)
        count = 0
        for field, message in self._pending.in_order():
            count += self._append(message)
            self._redis.hdel(outbox, field)
            self._pending.drop(field)
        return count

    def _look(self) -> None:
        """See what waits for the log. Our numbers go on after those of the same epoch."""
        if self._looked:
            return
        found: Any = self._redis.hgetall(keys.watch_outbox(self._lease.camera_id))
        left = [(field.decode(errors="replace"), message) for field, message in found.items()]
        self._pending.put(left)
        ours = (_number(field) for field, _ in left)
        newest = max((number for epoch, number in ours if epoch == self._lease.epoch), default=0)
        self._written = max(self._written, newest)
        self._looked = True

    def _append(self, message: bytes) -> int:
        try:
            self._log.append(Event.FromString(message))
        except (DecodeError, InvalidInput) as error:
            log.error("event_unreadable", camera=self._lease.camera_id, error=str(error))
            return 0
        return 1


class Outbox:
    """Messages that wait for the log, by their `epoch-number`."""

    def __init__(self) -> None:
        self._messages: dict[str, bytes] = {}

    def put(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Add messages; one that is there already is the same."""
        self._messages.update(messages)

    def drop(self, field: str) -> None:
        """The message is in the log."""
        self._messages.pop(field, None)

    def in_order(self) -> list[tuple[str, bytes]]:
        """The messages, those of earlier owners first."""
        return sorted(self._messages.items(), key=lambda item: _number(item[0]))


def _number(field: str) -> tuple[int, int]:
    epoch, _, number = field.partition("-")
    if not (epoch.isdecimal() and number.isdecimal()):
        return 0, 0
    return int(epoch), int(number)
