"""What watches find, as metrics: by form, and gone with the watch."""

from __future__ import annotations

import pytest

from hermes.v1.watch_pb2 import Watch
from services.common.metrics import Metrics
from services.hermes_worker.watches.conditions import Reading
from services.hermes_worker.watches.series import Series


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
