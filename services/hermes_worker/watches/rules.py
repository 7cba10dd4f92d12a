"""A watch's trigger, made of what a person said about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from google.protobuf.duration_pb2 import Duration

from hermes.v1.watch_pb2 import GAP_RULE_CLOSE, Watch
from hermes.v1.watch_pb2 import Trigger as TriggerMessage
from services.hermes_worker.watches.change_trigger import ChangeTrigger
from services.hermes_worker.watches.conditions import Above, Below, Condition, OneOf
from services.hermes_worker.watches.trigger import Rules, State, Trigger

CHANCE = 0.5
"""The least probability of a choice, where the watch says none."""
BACK = 0.1
"""How far back a value must go to be clear, where the watch does not say."""
UNLIKELY = 0.5
"""The share of the least probability of a choice at which it is clear, where the watch does not
say. Two choices that a model cannot tell apart change places at every look.
"""
RATE_MS = 60_000

AnyTrigger = Trigger | ChangeTrigger


def trigger_of(watch: Watch, state: State, new_id: Callable[[], str]) -> AnyTrigger | None:
    """The trigger of a watch that keeps the API's rules; None if nothing opens its events."""
    message = watch.trigger
    kind = message.WhichOneof("condition")
    rules = _rules(message)
    if kind is None:
        return None
    if kind == "changes":
        return ChangeTrigger(rules, message.changes.probability or CHANCE, new_id, state)
    if kind == "rate":
        rules = replace(rules, rate_ms=ms(message.rate.window) or RATE_MS)
    return Trigger(rules, _condition(watch, kind), new_id, state)


def _condition(watch: Watch, kind: str) -> Condition:
    message = watch.trigger
    if kind == "above":
        limit = message.above.value
        known = message.above.clear if message.above.HasField("clear") else None
        return Above(limit, _clear(watch, limit, -1.0, known))
    if kind == "below":
        limit = message.below.value
        known = message.below.clear if message.below.HasField("clear") else None
        return Below(limit, _clear(watch, limit, 1.0, known))
    if kind == "equals":
        least = message.equals.probability or CHANCE
        clear = message.equals.clear if message.equals.HasField("clear") else least * UNLIKELY
        return OneOf(frozenset(message.equals.choices), least, clear)
    rate = message.rate.per_minute
    return Above(rate, rate * (1 - BACK)) if rate > 0 else Below(rate, rate * (1 - BACK))


def _clear(watch: Watch, limit: float, towards: float, known: float | None) -> float:
    """Where a value is clear again. Of a number that is just beyond its limit."""
    if known is not None:
        return known
    if watch.WhichOneof("form") == "number":
        return limit
    return min(1.0, max(0.0, limit + towards * BACK))


def _rules(message: TriggerMessage) -> Rules:
    return Rules(
        hold_ms=ms(message.hold),
        cooldown_ms=ms(message.cooldown),
        gap_closes=message.gap == GAP_RULE_CLOSE,
    )


def ms(duration: Duration) -> int:
    """A duration in ms."""
    return round(duration.ToNanoseconds() / 1e6)
