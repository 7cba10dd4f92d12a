"""The log of events and the state of watches, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hermes.v1.event_pb2 import EVENT_TYPE_CLOSED, Event
from services.common.event_log import Appended, EventLog, Outcome
from services.common.event_record import check_event, is_open, message_key
from services.common.frame_log import Fenced
from services.common.leases import Lease
from services.common.watch_state import MOST_PENDING, OutboxFull


@dataclass
class _Record:
    last: Event
    keys: dict[str, Appended] = field(default_factory=dict)
    over: bool = False


class InMemoryEventLog:
    """`EventLog` without Redis. `messages`: all that were appended, in order."""

    def __init__(self) -> None:
        self.messages: list[Event] = []
        self._records: dict[str, _Record] = {}

    def append(self, event: Event) -> Appended:
        check_event(event)
        record = self._records.setdefault(event.id, _Record(Event()))
        key = message_key(event)
        if (before := record.keys.get(key)) is not None:
            return Appended(Outcome.DUPLICATE, before.position, before.sequence)
        late = record.over and is_open(event)
        if record.over and (event.type == EVENT_TYPE_CLOSED or (late and not event.sentence)):
            return Appended(Outcome.OVER, "", 0)
        message = Event()
        message.CopyFrom(record.last if late else event)
        message.type = event.type
        message.ClearField("evidence" if late else "sequence")
        message.sequence = len(record.keys) + 1
        message.sentence = event.sentence or record.last.sentence
        self.messages.append(message)
        record.last = message
        record.over = record.over or not is_open(event)
        added = Appended(Outcome.ADDED, f"{len(self.messages)}-0", message.sequence)
        record.keys[key] = added
        return added


class WatchMemory:
    """The part of Redis that holds the state of watches: who owns each camera, and its hashes."""

    def __init__(self) -> None:
        self.owners: dict[str, Lease] = {}
        self.states: dict[str, dict[str, bytes]] = {}
        self.outboxes: dict[str, list[Event]] = {}


class InMemoryWatchState:
    """`WatchState` without Redis."""

    def __init__(
        self,
        memory: WatchMemory,
        lease: Lease,
        events: EventLog,
        most_pending: int = MOST_PENDING,
    ) -> None:
        self._lease = lease
        self._memory = memory
        self._log = events
        self._most_pending = most_pending

    def read(self) -> dict[str, bytes]:
        return dict(self._memory.states.get(self._lease.camera_id, {}))

    def write(self, states: Mapping[str, bytes | None], events: Sequence[Event] = ()) -> None:
        if not states and not events:
            return
        camera_id = self._lease.camera_id
        if self._memory.owners.get(camera_id) != self._lease:
            raise Fenced(camera_id)
        outbox = self._memory.outboxes.setdefault(camera_id, [])
        if events and len(outbox) + len(events) > self._most_pending:
            raise OutboxFull(camera_id)
        kept = self._memory.states.setdefault(camera_id, {})
        for watch_id, state in states.items():
            if state:
                kept[watch_id] = state
            else:
                kept.pop(watch_id, None)
        outbox += [Event.FromString(event.SerializeToString()) for event in events]

    def publish(self) -> int:
        outbox = self._memory.outboxes.get(self._lease.camera_id, [])
        count = 0
        while outbox:
            self._log.append(outbox[0])
            outbox.pop(0)
            count += 1
        return count
