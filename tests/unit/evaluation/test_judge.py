"""A model that judges free answers, behind an endpoint like OpenAI's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.errors import InvalidInput, Unavailable
from hermes.evaluation.answer import Answer
from hermes.evaluation.judge import (
    PROMPT,
    Judge,
    endpoint,
    judge_all,
    judge_of,
    read_verdict,
    read_verdicts,
    verdicts_path,
)
from tests.support.chat_endpoint import Endpoint, serving


def answer(key: str, text: str | None, policy: str = "hermes") -> Answer:
    return Answer(
        video="v",
        key=key,
        task="RVS-Ego",
        group="ego",
        rule="judged",
        gold="a red cup",
        question="What is it?",
        policy=policy,
        budget=10,
        text=text,
    )


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with serving() as listening:
        yield listening


@pytest.mark.parametrize(
    ("raw", "verdict"),
    [
        ("{'pred': 'yes', 'score': 4}", (True, 4)),
        ('{"pred": "no", "score": 0}', (False, 0)),
        ("Sure: {'pred': 'Yes', 'score': 4.8}.", (True, 4)),
        ("{'pred': 'yes'}", (True, None)),
        ("{'pred': 'maybe', 'score': true}", (None, None)),
        ("{'pred': 'no', 'score': 17}", (False, 5)),
        ("yes", (None, None)),
        ("{'pred': ", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_verdict_is_read_from_what_was_said(
    raw: str, verdict: tuple[bool | None, int | None]
) -> None:
    assert read_verdict(raw) == verdict


def test_answers_are_judged_once_and_what_was_said_is_kept(
    server: Endpoint, tmp_path: Path
) -> None:
    """What may pass is tried again. The key is sent, and written nowhere."""
    yes, no = "{'pred': 'yes', 'score': 5}", "{'pred': 'no', 'score': 1}"
    server.replies = [429, yes, 503, no]
    judge = Judge("judge-1", endpoint(server.url, "secret", pause_s=0))
    answers = [answer("1", "a cup"), answer("2", None), answer("3", "")]
    results = tmp_path / "rvs.jsonl"
    path = verdicts_path(results, "org/judge-1")
    assert path.name == "rvs.judged-org-judge-1.jsonl"
    found = judge_all(judge, answers, path)
    assert [(one.key, one.right, one.score) for one in found] == [("1", True, 5), ("3", False, 1)]
    assert server.keys == ["Bearer secret"] * 4
    assert server.asked[0]["path"] == "/v1/chat/completions"
    assert (server.asked[0]["model"], server.asked[0]["temperature"]) == ("judge-1", 0)
    assert "Predicted answer: a cup" in server.asked[0]["messages"][0]["content"]
    text = path.read_text()
    assert "secret" not in text
    assert yes in text
    assert judge_of(path) == "judge-1"
    # again: nothing is asked, and half a line is judged anew
    assert judge_all(judge, answers, path) == found
    path.write_text(text[:-5])
    server.replies = [yes]
    assert [one.right for one in judge_all(judge, answers, path)] == [True, True]
    assert len(read_verdicts(path)) == 2


def test_another_judge_has_a_file_of_its_own(server: Endpoint, tmp_path: Path) -> None:
    server.replies = ["{'pred': 'yes', 'score': 5}"]
    post = endpoint(server.url, pause_s=0)
    path = tmp_path / "verdicts"
    judge_all(Judge("one", post), [answer("1", "x")], path)
    assert server.keys == [None]
    for other in (Judge("two", post), Judge("one", post, PROMPT + "Be strict.")):
        with pytest.raises(InvalidInput, match="of another judge or another prompt"):
            judge_all(other, [answer("1", "x")], path)


def test_a_judge_that_does_not_answer(server: Endpoint) -> None:
    server.replies = [401]
    with pytest.raises(Unavailable, match="HTTP 401"):
        endpoint(server.url, "wrong", pause_s=0)({})
    server.replies = [500] * 5
    with pytest.raises(Unavailable, match="HTTP 500"):
        endpoint(server.url, pause_s=0)({})
    assert len(server.asked) == 6
    with pytest.raises(InvalidInput, match="no http or https URL"):
        endpoint("file:///etc/passwd")
    with pytest.raises(InvalidInput, match="has a place that is none of question, answer"):
        Judge("m", str, "{other}")
