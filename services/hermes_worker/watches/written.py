"""What a trigger remembers, as bytes: written under the camera's lease, read by a successor."""

from __future__ import annotations

import json
from dataclasses import asdict

from services.hermes_worker.watches.trigger import Phase, State


def written(state: State, version: int) -> bytes:
    """The state of a trigger of this version of its watch."""
    fields = asdict(state) | {"phase": state.phase.value, "version": version}
    return json.dumps(fields, separators=(",", ":")).encode()


def read(raw: bytes) -> tuple[State, int] | None:
    """The state and the version of its watch; None for what is neither."""
    try:
        fields = json.loads(raw)
        version = fields.pop("version")
        fields["phase"] = Phase(fields["phase"])
        fields["samples"] = tuple((int(at), float(value)) for at, value in fields["samples"])
        state = State(**fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    numbers = (state.since_ms, state.held_ms, version, state.last_ms or 0, state.sent_ms or 0)
    texts = (state.event_id, state.before, state.after)
    if not all(type(number) is int for number in numbers):
        return None
    if not all(isinstance(text, str) for text in texts) or not isinstance(state.peak, int | float):
        return None
    return state, version
