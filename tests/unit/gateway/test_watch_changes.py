"""Field masks of an update of a watch."""

from __future__ import annotations

import pytest

from hermes.errors import InvalidInput
from hermes.v1.query_pb2 import CameraSelector
from hermes.v1.watch_pb2 import Threshold, Trigger, Watch, WatchServiceUpdateRequest
from services.query_gateway.watches.changes import WatchChanges
from tests.support.watches import choices, duration, yes_no


def change(new: Watch, *paths: str) -> WatchChanges:
    request = WatchServiceUpdateRequest(watch=new)
    request.update_mask.paths.extend(paths)
    return WatchChanges.read(request)


def kept() -> Watch:
    watch = yes_no("fall", "a", "b", labels="", sinks=["phone"], version=4)
    watch.labels["team"] = "care"
    watch.trigger.hold.CopyFrom(duration(5))
    return watch


def test_only_what_is_named_changes() -> None:
    new = Watch(id="fall", text="Anybody?", paused=True, sinks=["x"])
    changed = change(new, "text", "paused").applied_to(kept())
    expected = kept()
    expected.text, expected.paused, expected.version = "Anybody?", True, 5
    assert changed == expected


def test_lists_maps_and_messages_are_replaced() -> None:
    new = Watch(id="fall", labels={"b": "c"}, cameras=CameraSelector(labels="x"))
    new.trigger.CopyFrom(Trigger(below=Threshold(value=0.1)))
    changed = change(new, "labels", "sinks", "cameras", "trigger").applied_to(kept())
    assert dict(changed.labels) == {"b": "c"}
    assert list(changed.sinks) == []
    assert changed.cameras == CameraSelector(labels="x")
    assert changed.trigger == Trigger(below=Threshold(value=0.1))


def test_a_part_of_a_message_can_be_named() -> None:
    new = Watch(id="fall", trigger=Trigger(cooldown=duration(60)))
    changed = change(new, "trigger.cooldown").applied_to(kept())
    assert changed.trigger.cooldown == duration(60)
    assert changed.trigger.hold == duration(5)
    assert changed.trigger.above.value == 0.8


def test_a_form_replaces_the_other() -> None:
    other = choices()
    other.id = "fall"
    changed = change(other, "choices", "trigger").applied_to(kept())
    assert changed.WhichOneof("form") == "choices"
    back = change(yes_no("fall"), "yes_no").applied_to(changed)
    assert back.WhichOneof("form") == "yes_no"


def test_the_same_values_are_no_change() -> None:
    assert change(kept(), "text", "labels", "trigger").applied_to(kept()) == kept()


@pytest.mark.parametrize("path", ["id", "created", "version", "within", "created.seconds"])
def test_what_the_gateway_sets_cannot_be_changed(path: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be changed") as refused:
        change(kept(), path)
    assert refused.value.field == "update_mask"


@pytest.mark.parametrize("path", ["", "texts", "text.x", "*"])
def test_what_is_no_field_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="has no field"):
        change(kept(), path)
    with pytest.raises(InvalidInput, match="names nothing"):
        change(kept())


def test_cameras_are_noticed() -> None:
    assert change(kept(), "cameras.labels").cameras
    assert not change(kept(), "text").cameras
