"""Which questions are accepted, and how many at a time."""

from __future__ import annotations

import pytest

from hermes.errors import InvalidInput, Overloaded
from hermes.v1.query_pb2 import QueryServiceAskRequest, Question
from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.questions import QuestionRules

RULES = QuestionRules(max_chars=10, max_tokens=100)


def ask(**fields: object) -> QueryServiceAskRequest:
    given: dict[str, object] = {"camera_id": "lobby", "text": "what?", **fields}
    return QueryServiceAskRequest(question=Question(**given))  # type: ignore[arg-type]


def test_a_question_at_the_limits_passes() -> None:
    request = ask(text="ä" * 10, max_tokens=100, freshness=2)
    assert RULES.check(request) == request.question


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (QueryServiceAskRequest(), "question"),
        (ask(camera_id=""), "question.camera_id"),
        (ask(camera_id="../etc"), "question.camera_id"),
        (ask(text=""), "question.text"),
        (ask(text=" \n\t "), "question.text"),
        (ask(text="ä" * 11), "question.text"),
        (ask(max_tokens=101), "question.max_tokens"),
        (ask(freshness=99), "question.freshness"),
    ],
)
def test_what_is_wrong_is_named(request_: QueryServiceAskRequest, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        RULES.check(request_)
    assert caught.value.field == field


def test_a_question_is_refused_at_the_limit_and_admitted_below_it() -> None:
    open_questions = OpenQuestions(limit=2)
    with open_questions.enter():
        with open_questions.enter():
            with pytest.raises(Overloaded) as caught, open_questions.enter():
                pytest.fail("a third was let in")
            assert caught.value.retry_after_s > 0
            assert open_questions.count == 2
        with open_questions.enter():
            assert open_questions.count == 2
    assert open_questions.count == 0


def test_a_question_is_counted_out_for_any_end() -> None:
    open_questions = OpenQuestions(limit=1)
    with pytest.raises(KeyError), open_questions.enter():
        raise KeyError
    assert open_questions.count == 0
