"""The rules of a watch, one by one, each with the field that its fault names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import Camera
from hermes.v1.query_pb2 import CameraSelector
from hermes.v1.watch_pb2 import (
    ChoiceChange,
    Hours,
    HoursOfDays,
    OneOf,
    Rate,
    Threshold,
    Trigger,
    Watch,
)
from services.common.watch_rules import check_watch, covers, hours_of
from tests.support.watches import changes, choices, diary, duration, number, rate, yes_no

GOOD = {
    "yes/no": yes_no(),
    "below": yes_no(trigger=Trigger(below=Threshold(value=0.2, clear=0.4))),
    "by label": yes_no(labels="area=ward"),
    "choices": choices(),
    "changes": changes(),
    "number": number(),
    "rate": rate(),
    "falling": rate(-3),
    "diary": diary(),
    "everything": yes_no(
        labels="area in (a, b)",
        display_name="Fall",
        hours=Hours(
            time_zone="Europe/Berlin",
            spans=[HoursOfDays(days=[1, 7], start_minute=1320, end_minute=360)],
        ),
        sinks=["phone", "pager"],
        every=duration(0.5),
        heartbeat=duration(60),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_watches(name: str) -> None:
    assert check_watch(GOOD[name]) is GOOD[name]


def changed(watch: Watch, change: Callable[[Watch], object]) -> Watch:
    copy = Watch()
    copy.CopyFrom(watch)
    change(copy)
    return copy


def put(**fields: Any) -> Callable[[Watch], object]:
    def change(watch: Watch) -> None:
        for name, value in fields.items():
            watch.ClearField(name)
            watch.MergeFrom(Watch(**{name: value}))

    return change


def trigger(**fields: Any) -> Callable[[Watch], object]:
    return lambda watch: watch.trigger.MergeFrom(Trigger(**fields))


def cameras(*ids: str, labels: str = "") -> Callable[[Watch], object]:
    return put(cameras=CameraSelector(camera_ids=ids, labels=labels))


def hours(zone: str = "UTC", *spans: HoursOfDays) -> Callable[[Watch], object]:
    return put(hours=Hours(time_zone=zone, spans=spans))


def span(*days: int, start: int = 0, end: int = 60) -> HoursOfDays:
    return HoursOfDays(days=days, start_minute=start, end_minute=end)


NUMBER, CHOICES = number(), choices()
WRONG: list[tuple[Watch, Callable[[Watch], object], str, str]] = [
    (yes_no(), put(id="a b"), "watch.id", "1 to 64"),
    (yes_no(), put(display_name="a\nb"), "watch.display_name", "control character"),
    (yes_no(), put(text=" \n"), "watch.text", "is empty"),
    (yes_no(), put(text="x" * 4097), "watch.text", "at most 4096"),
    (yes_no(), put(cameras=CameraSelector()), "watch.cameras", "names no camera"),
    (yes_no(), cameras(labels=" "), "watch.cameras", "names no camera"),
    (yes_no(), cameras("a", labels="b"), "watch.cameras", "by id and by label"),
    (yes_no(), cameras("a", "a b"), "watch.cameras.camera_ids", "1 to 64"),
    (yes_no(), cameras("a", "a"), "watch.cameras.camera_ids", "there twice"),
    (yes_no(), cameras(*(f"c{n}" for n in range(257))), "watch.cameras.camera_ids", "256"),
    (yes_no(), cameras(labels="a in"), "watch.cameras.labels", "character"),
    (yes_no(), lambda w: w.ClearField("yes_no"), "watch", "has no form"),
    (CHOICES, lambda w: w.choices.texts.append("open"), "watch.choices", "twice"),
    (CHOICES, lambda w: w.choices.ClearField("texts"), "watch.choices", "2 to 64"),
    (NUMBER, lambda w: setattr(w.number, "most", 0), "watch.number.most", "more than"),
    (NUMBER, lambda w: setattr(w.number, "least", math.nan), "watch.number.least", "finite"),
    (NUMBER, lambda w: setattr(w.number, "decimals", 7), "watch.number.decimals", "0 to 6"),
    (diary(), lambda w: w.diary.ClearField("interval"), "watch.diary.interval", "at least 10"),
    (diary(), lambda w: setattr(w.diary, "max_tokens", 999), "watch.diary.max_tokens", "256"),
    (diary(), trigger(hold=duration(1)), "watch.trigger", "a diary has none"),
    (yes_no(), lambda w: w.ClearField("trigger"), "watch.trigger", "above or below"),
    (CHOICES, lambda w: w.ClearField("trigger"), "watch.trigger", "equals or changes"),
    (CHOICES, trigger(above=Threshold(value=1)), "watch.trigger.above", "use equals or"),
    (yes_no(), trigger(rate=Rate(per_minute=1)), "watch.trigger.rate", "above or below"),
    (yes_no(), trigger(changes=ChoiceChange()), "watch.trigger.changes", "not for a yes/no"),
    (NUMBER, trigger(equals=OneOf(choices=["a"])), "watch.trigger.equals", "below or rate"),
    (yes_no(), trigger(above=Threshold(value=1.1)), "watch.trigger.above.value", "0 to 1"),
    (yes_no(), trigger(above=Threshold(value=math.nan)), "watch.trigger.above.value", "0 to 1"),
    (yes_no(), trigger(above=Threshold(clear=0.9)), "watch.trigger.above.clear", "not be above"),
    (yes_no(), trigger(above=Threshold(clear=-1)), "watch.trigger.above.clear", "0 to 1"),
    (yes_no(), trigger(below=Threshold(value=0.3, clear=0.2)), "watch.trigger.below.clear", "not"),
    (NUMBER, trigger(above=Threshold(value=51)), "watch.trigger.above.value", "the most, 50"),
    (NUMBER, trigger(above=Threshold(value=-1)), "watch.trigger.above.value", "the least number"),
    (NUMBER, trigger(above=Threshold(value=math.inf)), "watch.trigger.above.value", "finite"),
    (CHOICES, trigger(equals=OneOf(choices=["odd"])), "watch.trigger.equals.choices", "'odd'"),
    (CHOICES, trigger(equals=OneOf(choices=["open"])), "watch.trigger.equals.choices", "twice"),
    (CHOICES, trigger(equals=OneOf(choices=["shut", "ajar"])), "watch.trigger.equals.choices",
     "names all"),
    (CHOICES, trigger(equals=OneOf(probability=2)), "watch.trigger.equals.probability", "0 to 1"),
    (CHOICES, trigger(equals=OneOf(clear=0.6)), "watch.trigger.equals.clear", "not be above"),
    (changes(), trigger(changes=ChoiceChange(probability=-1)),
     "watch.trigger.changes.probability", "0 to 1"),
    (rate(0), trigger(), "watch.trigger.rate.per_minute", "not 0"),
    (rate(), trigger(rate=Rate(window=duration(0.01))), "watch.trigger.rate.window", "at least"),
    (yes_no(), trigger(hold=duration(86_401)), "watch.trigger.hold", "from 0 to 1 d"),
    (yes_no(), trigger(hold=Duration(seconds=-1)), "watch.trigger.hold", "from 0"),
    (yes_no(), trigger(cooldown=duration(8 * 86_400)), "watch.trigger.cooldown", "to 7 d"),
    (yes_no(), trigger(cooldown_overall=Duration(nanos=-1)),
     "watch.trigger.cooldown_overall", "from 0"),
    (yes_no(), trigger(gap=99), "watch.trigger.gap", "not known"),
    (yes_no(), put(severity=99), "watch.severity", "not a known"),
    (yes_no(), put(labels={"a b": "c"}), "watch.labels", "'a b'"),
    (yes_no(), hours("Mars/Olympus", span(1)), "watch.hours.time_zone", "no time zone"),
    (yes_no(), hours("UTC"), "watch.hours.spans", "1 to 32"),
    (yes_no(), hours("UTC", span(8)), "watch.hours.spans.days", "1 (Monday)"),
    (yes_no(), hours("UTC", span()), "watch.hours.spans.days", "1 (Monday)"),
    (yes_no(), hours("UTC", span(1, end=1440)), "watch.hours.spans.end_minute", "1439"),
    (yes_no(), put(sinks=["a b"]), "watch.sinks", "'a b'"),
    (yes_no(), put(sinks=["a", "a"]), "watch.sinks", "twice"),
    (yes_no(), put(sinks=[f"s{n}" for n in range(17)]), "watch.sinks", "16"),
    (yes_no(), put(every=duration(0.05)), "watch.every", "0 or at least 0.1"),
    (yes_no(every=duration(5)), put(heartbeat=duration(2)), "watch.heartbeat", "shorter"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("watch", "change", "field", "words"), WRONG, ids=[f"{n}-{w[2]}" for n, w in enumerate(WRONG)]
)
def test_wrong_watches(
    watch: Watch, change: Callable[[Watch], object], field: str, words: str
) -> None:
    wrong = changed(watch, change)
    with pytest.raises(InvalidInput) as refused:
        check_watch(wrong)
    assert refused.value.field == field
    assert words in refused.value.message


def test_hours_become_a_value() -> None:
    hours = GOOD["everything"].hours
    assert str(hours_of(hours)) == "Mon+Sun 22:00-06:00 Europe/Berlin"


def test_a_watch_covers_cameras_by_id_or_label_within_its_bounds() -> None:
    bed = Camera(id="bed-1", labels={"area": "ward"})
    assert covers(yes_no("w", "bed-1", "x"), bed)
    assert not covers(yes_no("w", "bed-2"), bed)
    assert covers(yes_no(labels="area=ward"), bed)
    assert not covers(yes_no(labels="area=hall"), bed)
    assert covers(yes_no(labels="area", within=["dock-*", "bed-*"]), bed)
    assert covers(yes_no(labels="area", within=["bed-1"]), bed)
    assert not covers(yes_no(labels="area", within=["bed-11", "dock-*"]), bed)
    assert not covers(Watch(id="w"), bed)
