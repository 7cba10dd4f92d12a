"""What the console computes by itself, run by Node: forms of watches, figures, stretches."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from services.web.rest.watch_records import WatchInput

SCRIPTS = Path(__file__).parents[3] / "services" / "web" / "console" / "static" / "js"


def run(module: str, expression: str, given: Any = None) -> Any:
    """The value of an expression that may use `m`, the module, and `given`."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node to run the console's modules with")
    program = (
        f"const m = await import({json.dumps((SCRIPTS / module).as_uri())});"
        f"const given = {json.dumps(given)};"
        f"console.log(JSON.stringify({expression}));"
    )
    done = subprocess.run(
        [node, "--no-warnings", "--input-type=module", "--eval", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


WATCHES: list[dict[str, Any]] = [
    {"trigger": {"condition": {"kind": "above", "value": 0.8, "clear": 0.6}, "hold_s": 5.0}},
    {"trigger": {"condition": {"kind": "below", "value": 0.2}, "cooldown_overall_s": 30.0}},
    {
        "form": {"kind": "choices", "texts": ["open", "shut"]},
        "trigger": {"condition": {"kind": "equals", "choices": ["open"], "clear": 0.1}},
        "selector": "site=dock",
        "camera_ids": [],
    },
    {
        "form": {"kind": "choices", "texts": ["open", "shut"]},
        "trigger": {"condition": {"kind": "changes", "probability": 0.7}, "gap": "close"},
    },
    {
        "form": {"kind": "number", "least": 0.0, "most": 50.0, "decimals": 1},
        "trigger": {"condition": {"kind": "rate", "per_minute": 3.0, "window_s": 20.0}},
        "every_s": 2.0,
    },
    {"form": {"kind": "diary", "interval_s": 600.0, "max_tokens": 40}, "trigger": None},
    {"hours": "Mon-Fri 08:00-18:00 Europe/Berlin", "labels": {"team": "care"}, "severity": "info"},
]


def test_a_watch_that_is_edited_keeps_what_its_form_does_not_show() -> None:
    whole = [
        WatchInput(**{"id": "door", "text": "Is it open?", "camera_ids": ["lobby"], **fields})
        for fields in WATCHES[:-1]
    ]
    given = [watch.model_dump() for watch in whole]
    edited = run("watch-fields.js", "given.map((one) => m.watchOf(m.fieldsOf(one)))", given)
    for watch, after in zip(whole, edited, strict=True):
        assert WatchInput(**{**watch.model_dump(), **after}) == watch


def test_a_new_watch_is_one_that_the_service_takes() -> None:
    made = run("watch-fields.js", "m.watchOf({ ...m.fieldsOf(), text: 'Is it open?' })")
    watch = WatchInput(id="door", **made)
    assert watch.trigger is not None
    assert watch.trigger.condition.kind == "above"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.004, "0.00 s"),
        (0.35, "0.35 s"),
        (9.96, "10 s"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (15 * 3600 + 60, "15 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_how_long_in_words(seconds: float, words: str) -> None:
    assert run("format.js", "m.duration(given)", seconds) == words


def test_labels_as_a_text_and_back() -> None:
    labels = {"site": "dock", "floor": "", "a/b": "c=d"}
    text = run("parts/labels-field.js", "m.writtenLabels(given)", labels)
    assert run("parts/labels-field.js", "m.readLabels(given)", f" {text} , ") == labels


def test_what_memory_holds_as_stretches() -> None:
    def span(start: int, end: int, reason: str = "") -> dict[str, str]:
        at = "2026-11-29T12:00:{:02}Z".format
        return {"start": at(start), "end": at(end), "reason": reason}

    coverage = {
        "span": span(0, 50),
        "whole_since": span(40, 50)["start"],
        "watching_since": span(0, 1)["start"],
        "forgotten": [span(10, 20)],
        "gaps": [span(25, 30, "lost_packets")],
        "lost": None,
    }
    found = run("parts/spans.js", "m.stretches(given)", coverage)
    start = run("parts/spans.js", "m.reach(given)", coverage)["from"]
    lengths = [(one["kind"], one["from"] - start, one["to"] - start) for one in found]
    assert lengths == [
        ("thinned", 0, 40_000),
        ("whole", 40_000, 50_000),
        ("forgotten", 10_000, 20_000),
        ("gap", 25_000, 30_000),
    ]
    assert "lost packets" in found[3]["title"]
    placed = "m.placed({ from: 0, to: 100 }, given[0], given[1])"
    assert run("parts/spans.js", placed, [-50, 50]) == {"left": "0%", "width": "50%"}
    assert run("parts/spans.js", placed, [120, 130]) is None
