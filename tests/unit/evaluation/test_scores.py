"""Scores against a calculation by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hermes.evaluation.answer import Answer
from hermes.evaluation.scores import Score, scores_of


def answer(video: str, task: str, text: str | None, gold: str = "B", **given: Any) -> Answer:
    values: dict[str, Any] = {
        "key": f"{video}/{task}/{text}",
        "group": "real",
        "rule": "first-character",
        "policy": "hermes",
        "budget": 100,
        "options": ("a", "b", "c", "d"),
        **given,
    }
    return Answer(video=video, task=task, text=text, gold=gold, **values)


def table(benchmark: str, answers: list[Answer], **given: Any) -> dict[str, Score]:
    return {score.label: score for score in scores_of(benchmark, answers, **given)}


STREAMING = [
    answer("one", "Counting", "B"),
    answer("one", "Counting", "Answer: B"),  # the first character is an A
    answer("one", "Counting", ""),  # leaves the official count
    answer("one", "Action", "Because"),  # officially right
    answer("two", "Action", None, error="the video is broken"),
    answer("two", "Action", "B", repeats="two/Action/B"),  # strictly counted once: not here
    answer("two", "Action", "B.", probabilities=(0.1, 0.7, 0.1, 0.1)),
]


def test_streamingbench_by_hand() -> None:
    found = table("streamingbench", STREAMING)
    assert list(found) == ["Counting", "Action", "all of real"]
    counting, action, whole = found.values()
    assert (counting.official.value, counting.official.asked) == (1 / 2, 2)
    assert (counting.over_all.value, counting.over_all.asked) == (1 / 3, 3)
    assert (counting.strict.value, counting.strict.asked) == (2 / 3, 3)
    assert (action.official.value, action.official.asked) == (1, 3)
    assert (action.over_all.value, action.over_all.asked) == (3 / 4, 4)
    assert (action.strict.value, action.strict.asked) == (1 / 3, 3)
    assert (whole.official.value, whole.official.asked) == (4 / 5, 5)
    assert (whole.over_all.value, whole.over_all.asked) == (4 / 7, 7)
    assert (whole.strict.value, whole.strict.asked) == (3 / 6, 6)
    assert (whole.likeliest.value, whole.likeliest.asked) == (1, 1)
    assert math.isnan(counting.likeliest.value)


def ovo(task: str, group: str, *verdicts: bool) -> list[Answer]:
    return [
        answer(
            f"v{number}",
            task,
            "B" if right else "C",
            key=f"{task}{number}",
            group=group,
            rule="letter-within",
        )
        for number, right in enumerate(verdicts)
    ]


def test_ovobench_is_a_mean_of_means() -> None:
    """Tasks weigh the same in a category, categories in the average, however many answers."""
    answers = [
        *ovo("EPM", "backward", True, True, True, False),  # 3/4
        *ovo("ASI", "backward", False),  # 0
        *ovo("OCR", "realtime", True, False),  # 1/2
        *ovo("REC", "forward", True),  # 1
    ]
    found = table("ovobench", answers)
    values = {label: score.official.value for label, score in found.items()}
    assert values == pytest.approx(
        {
            "EPM": 0.75,
            "ASI": 0.0,
            "mean of backward": 0.375,
            "OCR": 0.5,
            "mean of realtime": 0.5,
            "REC": 1.0,
            "mean of forward": 1.0,
            "average of three categories": (0.375 + 0.5 + 1) / 3,
            "average without forward": (0.375 + 0.5) / 2,
            "ER: mean of EPM and ASI": 0.375,
        }
    )
    partly = table("ovobench", ovo("OCR", "realtime", True))
    assert list(partly) == ["OCR", "mean of realtime"]


def test_videomme_leaves_out_answers_without_a_letter() -> None:
    answers = [
        answer("one", "Counting", "B", group="Law", rule="first-letter"),
        answer("two", "Counting", "nothing", group="Sport", rule="first-letter"),
    ]
    found = table("videomme-long", answers)
    assert list(found) == ["Counting", "all of Law", "all of Sport", "all"]
    assert (found["all"].official.value, found["all"].official.asked) == (1, 1)
    assert (found["all"].over_all.value, found["all"].over_all.asked) == (1 / 2, 2)


def test_judged_answers_count_by_their_verdicts() -> None:
    answers = [
        answer("one", "RVS-Ego", text, key=text, group="ego", rule="judged", options=())
        for text in ("x", "y", "z")
    ]
    judged = {("hermes", 100, "x"): True, ("hermes", 100, "y"): False}
    (score,) = scores_of("rvs", answers, judged)
    assert score.label == "RVS-Ego"
    assert (score.official.value, score.official.asked) == (1 / 2, 2)
    assert (score.strict.value, score.strict.asked) == (1 / 3, 3)


def test_an_interval_is_a_bootstrap_over_videos() -> None:
    """Answers about one video stand and fall together: the interval is wider than Wilson's."""
    together = [
        answer(f"v{video}", "T", "B" if video % 2 else "C", key=f"{video}.{number}")
        for video in range(10)
        for number in range(20)
    ]
    apart = [
        answer(f"v{video}", "T", "B" if number % 2 else "C", key=f"{video}.{number}")
        for video in range(10)
        for number in range(20)
    ]
    wide, narrow = (
        table("streamingbench", one)["all of real"].official for one in (together, apart)
    )
    assert wide.value == narrow.value == 0.5
    assert wide.low <= 0.3
    assert wide.high >= 0.7
    assert (narrow.low, narrow.high) == (0.5, 0.5)
    again = table("streamingbench", together)["all of real"].official
    assert again == wide


def test_where_all_are_right_there_is_an_interval_too() -> None:
    """No draw of a bootstrap finds a wrong one."""
    answers = [answer(f"v{n}", "T", "B", key=str(n)) for n in range(10)]
    found = table("streamingbench", answers)["all of real"].official
    assert (found.value, round(found.low, 3), found.high) == (1, 0.722, 1)


def test_one_video_has_wilsons_interval() -> None:
    answers = [answer("v", "T", "B" if n < 8 else "C", key=str(n)) for n in range(10)]
    found = table("streamingbench", answers)["all of real"].official
    assert (round(found.low, 3), round(found.high, 3)) == (0.490, 0.943)
    assert str(found) == "80.00 (49.0-94.3)"


def test_an_answer_survives_its_line() -> None:
    made = answer("v", "T", "B", probabilities=(0.5, 0.5), age_s=3.0, times={"warm_s": 0.1})
    assert Answer.of_line(made.line()) == made
    unasked = answer("v", "T", None, error="why")
    assert Answer.of_line(unasked.line()) == unasked
