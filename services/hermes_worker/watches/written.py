"""What a trigger remembers, as bytes: written under the camera's lease, read by a successor."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass

from google.protobuf.message import DecodeError

from hermes.v1.watch_pb2 import Watch
from services.common.known_fields import known_fields
from services.hermes_worker.watches.trigger import Phase, State


@dataclass(frozen=True, slots=True)
class Remembered:
    """A trigger's state and the version of its watch.

    `watch`: the watch itself while an event is open. Who ends the event after the watch was
    changed or removed tells the same sinks, in the same words, as those who opened it.
    """

    state: State
    version: int
    watch: Watch | None = None


def written(state: State, watch: Watch) -> bytes:
    """The state of a trigger of this watch."""
    fields = asdict(state) | {"phase": state.phase.value, "version": watch.version}
    if state.phase is Phase.OPEN:
        fields["watch"] = base64.b64encode(watch.SerializeToString()).decode()
    return json.dumps(fields, separators=(",", ":")).encode()


def read(raw: bytes) -> Remembered | None:
    """The state as it was written; None for what is none."""
    try:
        fields = json.loads(raw)
        version, watch = fields.pop("version"), fields.pop("watch", None)
        fields["phase"] = Phase(fields["phase"])
        fields["samples"] = tuple((int(at), float(value)) for at, value in fields["samples"])
        state = State(**known_fields(State, fields))
        known = None if watch is None else Watch.FromString(base64.b64decode(watch))
    except (ValueError, TypeError, KeyError, AttributeError, DecodeError):
        return None
    numbers = (state.since_ms, state.held_ms, version, state.last_ms or 0, state.sent_ms or 0)
    texts = (state.event_id, state.before, state.after)
    if not all(type(number) is int for number in numbers):
        return None
    if not all(isinstance(text, str) for text in texts) or not isinstance(state.peak, int | float):
        return None
    return Remembered(state, version, known)
