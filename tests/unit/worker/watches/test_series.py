"""What watches find, as metrics: by form, and gone with the watch."""

from __future__ import annotations

import pytest

from hermes.v1.watch_pb2 import Watch
from services.common.metrics import Metrics
from services.hermes_worker.watches.conditions import Reading
from services.hermes_worker.watches.series import COUNTED_S, Series


def watch(form: str) -> Watch:
    made = Watch(id="gate")
    getattr(made, form).SetInParent()
    return made


def reading(form: str) -> Reading:
    choices = {"open": 0.9, "shut": 0.1} if form == "choices" else {}
    return Reading(at_ms=1000, value=0.9, choices=choices)


def shown(metrics: Metrics) -> set[str]:
    """Names of the series of a watch and a camera."""
    return {
        sample.name
        for family in metrics.registry.collect()
        for sample in family.samples
        if {"watch", "camera"} <= sample.labels.keys()
    }


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("yes_no", "hermes_watch_probability"),
        ("number", "hermes_watch_value"),
        ("choices", "hermes_watch_choice"),
    ],
)
def test_a_reading_is_a_series_of_its_form_until_the_watch_is_left(form: str, name: str) -> None:
    metrics = Metrics()
    series = Series(metrics)
    series.read(watch(form), "lobby", reading(form), 0.1)
    series.judged("gate", "lobby", True)
    assert shown(metrics) == {
        name,
        "hermes_watch_open",
        "hermes_watch_evaluated_timestamp_seconds",
    }
    series.forget("gate", "lobby")
    assert shown(metrics) == set()


def test_whether_an_event_is_open() -> None:
    metrics = Metrics()
    series = Series(metrics)
    labels = {"watch": "gate", "camera": "lobby"}
    for is_open in (True, False):
        series.judged("gate", "lobby", is_open)
        assert metrics.registry.get_sample_value("hermes_watch_open", labels) == float(is_open)


def counted(metrics: Metrics) -> set[str]:
    """The watches of which something is counted."""
    families = (metrics.watch_evaluations, metrics.events)
    samples = (
        sample for counter in families for one in counter.collect() for sample in one.samples
    )
    return {sample.labels["watch"] for sample in samples}


def test_what_was_counted_of_a_removed_watch_is_forgotten_after_a_while() -> None:
    metrics = Metrics()
    series = Series(metrics)
    series.skipped("door")
    series.read(watch("yes_no"), "lobby", reading("yes_no"), 0.1)
    series.registered({"gate", "door"}, 100.0)
    series.registered({"door"}, 101.0)
    series.closed(watch("yes_no"))  # its last event
    series.registered({"door"}, 101.0 + COUNTED_S - 1)
    assert counted(metrics) == {"gate", "door"}
    series.registered({"door"}, 101.0 + COUNTED_S)
    assert counted(metrics) == {"door"}


def test_a_watch_that_is_registered_again_in_time_counts_on() -> None:
    metrics = Metrics()
    series = Series(metrics)
    series.skipped("gate")
    for at, ids in enumerate([set(), {"gate"}, set(), set()]):
        series.registered(ids, at * COUNTED_S * 0.6)
    assert counted(metrics) == {"gate"}
