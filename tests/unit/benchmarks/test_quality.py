"""The benchmark of what memories keep: its arithmetic, its worlds, and its contenders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.quality.contenders import ablations, change_settings, contenders
from benchmarks.quality.disturbances import DISTURBANCES, disturbed
from benchmarks.quality.filmed import filmed
from benchmarks.quality.narrowed import narrow
from benchmarks.quality.report import by_era, by_kind
from benchmarks.quality.run import (
    UNBOUNDED,
    Result,
    Task,
    all_contenders,
    answers,
    merged,
    verdicts,
)
from benchmarks.quality.score import Verdict, era
from benchmarks.quality.worlds import make_world
from hermes.demo.checkpoint import SIDE
from hermes.demo.scenes import TRAINED
from hermes.evaluation.share import Share
from hermes.evaluation.shared_tower import SharedTower
from hermes.vlm import Between
from tests.support import tiny
from tests.support.slow import slow


@given(st.integers(1, 500), st.data())
def test_an_interval_holds_its_share(asked: int, data: st.DataObject) -> None:
    share = Share(data.draw(st.integers(0, asked)), asked)
    low, high = share.interval
    rounding = 1e-12
    assert 0 <= low <= share.value + rounding
    assert share.value - rounding <= high <= 1
    assert high > low


def test_a_known_interval() -> None:
    """Wilson's interval of 8 in 10, as tables have it."""
    low, high = Share(8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert str(Share(8, 10)) == "80 (49-94)"
    assert math.isnan(Share(0, 0).value)
    assert str(Share(0, 0)) == "-"


@pytest.mark.parametrize(
    ("kind", "age", "wanted"),
    [
        ("colour-now", 0.0, "now"),
        ("first", 12.0, "recent past"),
        ("first", 12.5, "distant past"),
        ("appeared", None, "never there"),
    ],
)
def test_eras(kind: str, age: float | None, wanted: str) -> None:
    assert era(Verdict(kind, age, True), 12) == wanted


def test_worlds_come_from_their_seeds() -> None:
    world, again = make_world(3, 24), make_world(3, 24)
    assert torch.equal(world.pictures, again.pictures)
    assert world.questions == again.questions
    assert world.pictures.shape == (24, 3, SIDE, SIDE)
    assert world.scene.settled(world.end)
    assert len({question.text for question in world.questions}) == len(world.questions) >= 8
    assert all(
        (world.age(q) is None) == (q.answer == "no") and (world.age(q) or 0) >= 0
        for q in world.questions
    )


def test_filmed_pictures_are_degraded_but_recognisable() -> None:
    drawn = make_world(3, 6, looks=TRAINED).pictures.permute(0, 2, 3, 1).numpy()
    worn = filmed(list(drawn), SIDE)
    assert len(worn) == 6
    difference = np.abs(np.stack(worn).astype(int) - drawn.astype(int)).mean()
    assert 0.1 < difference < 20


@pytest.mark.parametrize("name", sorted(set(DISTURBANCES) - {"none"}))
def test_a_disturbance_changes_the_pictures_and_nothing_else(name: str) -> None:
    plain, worn = make_world(3, 12), make_world(3, 12, through=name)
    assert worn.questions == plain.questions
    assert worn.pictures.shape == plain.pictures.shape
    assert worn.pictures.dtype == torch.uint8
    apart = (worn.pictures.float() - plain.pictures.float()).abs().mean()
    assert 0.05 < float(apart) < 60
    assert torch.equal(worn.pictures, make_world(3, 12, through=name).pictures)


def test_noise_has_the_spread_that_its_name_says() -> None:
    middling = torch.full((20, 3, SIDE, SIDE), 128, dtype=torch.uint8)
    worn = disturbed("noise 10", middling, 1).float()
    assert float(worn.std()) == pytest.approx(10, rel=0.02)


def test_a_scene_in_chapters_goes_on_having_events() -> None:
    world = make_world(1, 600, looks=TRAINED, chapter_s=60)
    enters = [actor.enters for actor in world.scene.actors]
    assert len(enters) == 10
    assert all(60 * n - 1 <= at < 60 * (n + 1) for n, at in enumerate(sorted(enters)))
    assert all(0 < a.leaves - a.enters <= 15 for a in world.scene.actors)
    assert max(q.evidence or 0 for q in world.questions) > 500
    assert len({actor.look for actor in world.scene.actors}) == 10


def test_all_contenders_take_part() -> None:
    names = set(all_contenders())
    assert {UNBOUNDED, *contenders(), *ablations(), *change_settings(), *narrow()} == names
    for wanted in (
        "smoothing=off", "smoothing=index", "summary=off", "summary=paper", "normalise=rank",
        "recent_frames=0", "recent_frames=8", "reindex=eager", "no guidance", "hermes-paper",
        "sliding-window", "uniform", "last-frames", "frame-retrieval",
    ):  # fmt: skip
        assert wanted in names


@pytest.mark.parametrize(
    "name", slow(["hermes", "no guidance", "last-frames", UNBOUNDED], "no guidance", UNBOUNDED)
)
def test_answers_are_compared_with_the_record(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(1, 16)
    plain = tiny.model()
    encode, encoded = plain.encode, 0

    def counted(pictures: Sequence[Tensor], between: Between | None = None) -> list[Tensor]:
        nonlocal encoded
        encoded += len(pictures)
        return encode(pictures, between)

    monkeypatch.setattr(plain, "encode", counted)
    model: Any = SharedTower(plain)
    (result,) = answers(all_contenders()[name], model, [world], 96)
    found = result.verdicts
    assert result.tokens_a_frame == plain.layout.tokens
    assert [v.kind for v in found] == [q.kind for q in world.questions]
    assert not all(v.right for v in found)  # its weights are random
    # The tower saw every picture once, and no more.
    assert 0 < encoded <= 16


def test_tables() -> None:
    def of(verdict: Verdict) -> Result:
        return Result([verdict], 30, 10)

    together = merged(
        [
            {"a": of(Verdict("first", 30, True)), "b": of(Verdict("first", 30, False))},
            {"a": of(Verdict("count-now", 0, True)), "b": of(Verdict("appeared", None, True))},
        ]
    )
    assert together["a"].tokens_a_frame == 3
    results = verdicts(together)
    eras = by_era(results, 12, {"a": "192"})
    assert "| a | 192 | 100 (21-100) | - | 100 (21-100) | - |" in eras
    assert "| b |  | - | - | 0 (0-79) | 100 (21-100) |" in eras
    assert by_kind(results).count("\n") == 3
    assert Task(1, 2, 3, ("a",)).looks == "trained"
