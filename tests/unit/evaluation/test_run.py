"""One pass over each video: what is seen when, resuming, what is missing, and what is recorded."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.evaluation.answer import Answer
from hermes.evaluation.contenders import CONTENDERS, Room
from hermes.evaluation.item import Item, Video, Watch
from hermes.evaluation.results import ResultsFile
from hermes.evaluation.run import MISSING, chosen
from hermes.evaluation.settings import RunSettings
from hermes.evaluation.shared_tower import SharedTower
from hermes.vlm import Between, VideoMemory
from tests.support import tiny
from tests.support.evaluation import MadeUp, Painted, Reel, item, lines_of, run

TWO = ("hermes", "last-frames")


def settings(**given: Any) -> RunSettings:
    values: dict[str, Any] = {
        "policies": TWO,
        "budgets": (96,),
        "compress_every_frames": 3,
        "together": 4,
        "probabilities": False,
        "prompt": "choices",
        **given,
    }
    return RunSettings(**values)


def video(name: str, *items: Item, missing: bool = False) -> Video:
    return Video(name, None if missing else Path(f"{name}.mp4"), items)


def answers_of(found: Any, policy: str = "hermes") -> dict[str, Answer]:
    return {one.key: one for one in found.answers if one.policy == policy}


def test_an_answer_depends_on_all_before_it_and_nothing_after(tmp_path: Path) -> None:
    """Asked out of order and together, each is what a memory of the same pictures says."""
    items = [item("late", 11), item("early", 4), item("start", 0.03), item("end", math.inf)]
    benchmark = MadeUp([video("v", *items)])
    found = run(tiny.model(), benchmark, settings(), tmp_path / "r", Reel(v={"seconds": 15}))
    own = answers_of(found)
    assert [one.key for one in found.answers[::2]] == ["start", "early", "late", "end"]
    assert {key: one.frames for key, one in own.items()} == {
        "start": 1,
        "early": 4,
        "late": 11,
        "end": 15,
    }
    pictures = torch.stack([picture for _, picture in Painted(1.0, 15).play()])
    for key, frames in (("start", 1), ("early", 4), ("late", 11), ("end", 15)):
        memory = VideoMemory(tiny.model(), "hermes", budget=96, compress_every_frames=3)
        memory.feed(pictures[:frames], [1000 * number for number in range(frames)])
        assert own[key].text == memory.ask("What is happening now?", 4), key


def test_the_tower_reads_each_picture_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, read = tiny.model(), 0
    encode = model.encode

    def counted(pictures: Any, between: Between | None = None) -> list[Tensor]:
        nonlocal read
        read += len(pictures)
        return encode(pictures, between)

    monkeypatch.setattr(model, "encode", counted)
    four = ("hermes", "hermes-paper", "last-frames", "uniform")
    benchmark = MadeUp([video("v", item("1", 5), item("2", 9))])
    reel = Reel(v={"seconds": 60})
    found = run(model, benchmark, settings(policies=four), tmp_path / "r", reel)
    assert read == 9  # four contenders, two questions
    assert found.videos[0]["tower_frames"] == found.videos[0]["frames"] == 9
    assert reel.opened[0].shown[-1] == 9  # nothing is decoded once all is asked
    assert len(found.answers) == 8


def test_a_context_is_a_clip_of_its_own(tmp_path: Path) -> None:
    """With 5 s of context the answer is that of a memory that saw nothing before."""
    benchmark = MadeUp([video("v", item("a", 12), item("b", 8), item("c", 3))])
    given = settings(context_s=5.0)
    found = run(tiny.model(), benchmark, given, tmp_path / "r", Reel(v={"seconds": 15}))
    own = answers_of(found)
    assert {key: one.frames for key, one in own.items()} == {"c": 3, "b": 5, "a": 5}
    pictures = torch.stack([picture for _, picture in Painted(1.0, 15).play()])
    memory = VideoMemory(tiny.model(), "hermes", budget=96, compress_every_frames=3)
    memory.feed(pictures[7:12], [7000 + 1000 * number for number in range(5)])
    assert own["a"].text == memory.ask("What is happening now?", 4)


def test_a_watched_item_is_asked_each_second(tmp_path: Path) -> None:
    """From its own time on, and in a memory that began then; a random model never says yes."""
    watched = item("w", 4, since_s=3, rule="moment", gold="3", watch=Watch(5, 9, "What is it?"))
    benchmark = MadeUp([video("v", watched, item("x", 8))])
    given = settings(prompt="official", policies=("hermes",))
    found = run(tiny.model(), benchmark, given, tmp_path / "r", Reel(v={"seconds": 20}))
    own = answers_of(found)
    assert [poll.at_s for poll in own["w"].polls] == [4, 5, 6, 7, 8, 9]
    assert own["w"].frames == 6  # 3 s to 9 s
    assert own["w"].official is False
    assert own["x"].frames == 8


class Killed(BaseException):
    """As if the process ended: nothing may catch it."""


class Dying(ResultsFile):
    """Ends after so many lines, in the middle of one."""

    left = 0

    def _write(self, line: Any) -> None:
        super()._write(line)
        Dying.left -= 1
        if Dying.left == 0:
            self.close()
            data = self.path.read_bytes()
            self.path.write_bytes(data[: len(data) - random.Random(len(data)).randrange(60)])
            raise Killed


def test_killed_at_random_and_resumed(tmp_path: Path) -> None:
    """The same file, byte for byte but for times, wherever it was killed."""
    watched = item("w", 4, since_s=3, rule="moment", gold="3", watch=Watch(5, 6, "What is it?"))
    videos = [
        video("v", item("1", 5), watched, item("2", 3)),
        video("gone", item("3", 5), missing=True),
        video("broken", item("4", 2), item("5", 9)),
        video("w", item("6", 5), item("7", math.inf)),
    ]
    benchmark = MadeUp(videos)
    reel = Reel(
        v={"seconds": 8}, broken={"seconds": 12, "breaks_s": 6.0}, w={"seconds": 7, "seed": 1}
    )
    given = settings(policies=("hermes", "hermes-changes", "last-frames"))
    run(tiny.model(), benchmark, given, tmp_path / "whole", reel)
    whole = lines_of(tmp_path / "whole")
    assert len(whole) == 1 + 3 * 8 + 4
    chance = random.Random(1)
    path, deaths = tmp_path / "killed", 0
    while True:
        Dying.left = chance.randrange(1, 12)
        try:
            run(tiny.model(), benchmark, given, path, reel, results=Dying)
            break
        except Killed:
            deaths += 1
    assert deaths > 2
    assert lines_of(path) == whole


def test_what_is_missing_or_broken_is_written_down(tmp_path: Path) -> None:
    videos = [
        video("gone", item("1", 5), missing=True),
        video("broken", item("2", 2), item("3", 9)),
        video("short", item("4", 3), item("5", 50)),
    ]
    reel = Reel(broken={"seconds": 12, "breaks_s": 6.0}, short={"seconds": 6})
    found = run(tiny.model(), MadeUp(videos), settings(), tmp_path / "r", reel)
    gone, broken, short = found.videos
    assert gone["problem"] == MISSING
    assert broken["problem"] == "the video is broken: it ends in the middle"
    assert short["problem"] == ""
    assert short["late"] == ["5"]
    for policy in TWO:
        own = answers_of(found, policy)
        assert own["1"].error == MISSING
        assert own["2"].text is not None
        assert own["3"].error == broken["problem"]
        assert own["5"].frames == 6
    assert len(found.answers) == 10


def test_a_contender_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    """A frame has more tokens than a budget of 8."""
    given = settings(policies=("full", "hermes"), budgets=(96, 8))
    benchmark = MadeUp([video("v", item("1", 3))])
    found = run(tiny.model(), benchmark, given, tmp_path / "r", Reel(v={"seconds": 5}))
    own = {(one.policy, one.budget): one for one in found.answers}
    assert own["full", 96].text is not None
    assert own["hermes", 96].text is not None
    assert "InvalidInput: budget: 8 tokens are less than one frame" in own["hermes", 8].error
    assert list(found.videos[0]["faults"]) == ["hermes@8"]


def test_everything_is_kept_only_where_it_fits() -> None:
    with pytest.raises(InvalidInput, match="exceed the model's 32768 positions"):
        CONTENDERS["full"](tiny.model(), Room(96, 3, 256, 5000))


def test_figures_are_recorded(tmp_path: Path) -> None:
    policies = ("hermes", "hermes-changes", "last-frames", "full")
    benchmark = MadeUp([video("v", item("1", 10, evidence_s=4.0))])
    given = settings(policies=policies)
    found = run(tiny.model(), benchmark, given, tmp_path / "r", Reel(v={"seconds": 12}))
    own = {one.policy: one for one in found.answers}
    a_frame = tiny.model().layout.tokens
    assert own["hermes"].taken == own["full"].taken == 10 * a_frame
    assert own["last-frames"].taken == 0
    assert own["full"].read == 10 * a_frame
    assert own["last-frames"].read == 6 * a_frame  # 96 tokens
    assert 96 <= own["hermes"].read <= 96 + 3 * a_frame
    assert own["last-frames"].device_bytes == 0 < own["last-frames"].host_bytes
    assert own["hermes"].host_bytes == 0 < own["hermes"].device_bytes
    for one in found.answers:
        assert one.age_s == 6
        assert 0 < one.times["warm_s"] <= one.times["fresh_s"]
    times = found.videos[0]["times"]
    assert "joules" not in times  # a CPU does not tell, and no figure is made up
    assert times["tower_s"] > 0
    header = found.header
    assert header["settings"]["policies"] == list(policies)
    assert header["versions"]["torch"] == torch.__version__
    assert header["model"]["most_frame_tokens"] == a_frame


def test_probabilities_of_choices_stand_beside_free_answers(tmp_path: Path) -> None:
    """By the options' own texts, where a model knows no letters."""
    options = ("red", "green", "blue", "white")
    benchmark = MadeUp([video("v", item("1", 3, options=options, gold="C"))])
    found = run(tiny.model(), benchmark, settings(), tmp_path / "r", Reel(v={"seconds": 4}))
    for one in found.answers:
        assert one.chosen
        assert sum(one.probabilities) == pytest.approx(1, abs=1e-5)
        best = one.probabilities.index(max(one.probabilities))
        assert one.text == "ABCD"[best]
    given = settings(prompt="official")
    with pytest.raises(InvalidInput, match=r"cannot answer with a letter .* --prompt choices"):
        run(tiny.model(), benchmark, given, tmp_path / "s", Reel(v={"seconds": 4}))


def test_shards_and_limits_choose_videos() -> None:
    benchmark = MadeUp([video(str(number), item("1", 1)) for number in range(7)])

    def names(**given: Any) -> list[str]:
        return [one.name for one in chosen(benchmark, settings(**given))]

    assert names(shard=(1, 3)) == ["0", "3", "6"]
    assert sorted(names(shard=(1, 3)) + names(shard=(2, 3)) + names(shard=(3, 3))) == names()
    assert names(shard=(2, 3), limit=1) == ["1"]


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    seen: list[tuple[str, float, float]] = []
    videos = [video("v", item("1", 10)), video("w", item("2", 5))]
    reel = Reel(v={"seconds": 12}, w={"seconds": 9})
    run(
        tiny.model(),
        MadeUp(videos),
        settings(policies=("sliding-window",)),
        tmp_path / "r",
        reel,
        on_progress=lambda *one: seen.append(one),
    )
    done = [one for _, one, _ in seen]
    assert done == sorted(done)
    assert seen[0] == ("v", 0, 15)
    assert seen[-1] == ("", 15, 15)
    assert any(0 < one < 10 for one in done)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"policies": ("hermes", "hermes")}, "policy: is given twice"),
        ({"policies": ("best",)}, "policy: best is unknown; known: hermes"),
        ({"policies": ()}, "policy: at least one"),
        ({"budgets": (0,)}, "budget"),
        ({"budgets": (5, 5)}, "budget"),
        ({"fps": 0}, "fps"),
        ({"context_s": 0.0}, "context"),
        ({"shard": (4, 3)}, "shard: must be i/n"),
        ({"limit": 0}, "limit: must be at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        settings(**given)


def test_what_is_read_for_a_question_is_forgotten() -> None:
    tower: Any = SharedTower(tiny.model(), most=3)
    pictures = tiny.pictures(5)
    first = tower.encode(pictures[:2])
    assert torch.equal(torch.stack(tower.encode(pictures[:2])), torch.stack(first))
    assert (tower.frames, tower.remembered) == (2, 2)
    with tower.asking():
        tower.encode(pictures[2:3])
        tower.encode(pictures[:1])
    assert (tower.frames, tower.remembered) == (2, 2)
    tower.encode(pictures)
    assert (tower.frames, tower.remembered) == (5, 3)
    tower.forget()
    assert tower.remembered == 0
