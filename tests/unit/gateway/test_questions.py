"""Which questions are accepted, and how many at a time."""

from __future__ import annotations

import pytest

from hermes.errors import InvalidInput, Overloaded, Unsupported
from hermes.v1.query_pb2 import (
    CameraSelector,
    Choices,
    Decoding,
    EvidenceRequest,
    QueryServiceAskRequest,
    QueryServiceGetEvidenceRequest,
    Question,
    QuestionSpan,
    Turn,
)
from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.questions import QuestionRules

RULES = QuestionRules(
    max_chars=10, max_tokens=100, max_turn_chars=30, max_form_chars=40, max_evidence=5
)
TWO = Choices(texts=["yes", "no"])


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
        (ask(cameras=CameraSelector()), "question.cameras"),
        (ask(cameras=CameraSelector(camera_ids=["dock"])), "question.cameras"),
        (ask(turns=[Turn(question="", answer="a")]), "question.turns[0].question"),
        (ask(turns=[Turn(question="a"), Turn(question="ä" * 11)]), "question.turns[1].question"),
        (ask(turns=[Turn(question="a", answer="b" * 30)]), "question.turns"),
        (ask(turns=[Turn(question="a")] * 65), "question.turns"),
        (ask(choices=Choices()), "question.choices"),
        (ask(choices=Choices(texts=["yes"])), "question.choices"),
        (ask(choices=Choices(texts=["yes", "yes "])), "question.choices"),
        (ask(choices=Choices(texts=["yes", " "])), "question.choices"),
        (ask(choices=Choices(texts=["yes", "n" * 257])), "question.choices"),
        (ask(choices=Choices(texts=[str(n) for n in range(65)])), "question.choices"),
        (ask(choices=TWO, max_tokens=1), "question.max_tokens"),
        (ask(choices=TWO, decoding=Decoding(temperature=1)), "question.decoding"),
        (ask(choices=TWO, decoding=Decoding(logprobs=True)), "question.decoding"),
        (ask(json_schema=""), "question.json_schema"),
        (ask(json_schema="{" + " " * 40), "question.json_schema"),
        (ask(json_schema='{"type": }'), "question.json_schema"),
        (ask(json_schema='"string"'), "question.json_schema"),
        (ask(regex=""), "question.regex"),
        (ask(regex="a" * 41), "question.regex"),
        (ask(regex="a+", decoding=Decoding(stop=["a"])), "question.decoding.stop"),
        (ask(evidence=EvidenceRequest(frames=6)), "question.evidence.frames"),
        (ask(evidence=EvidenceRequest(pictures=True)), "question.evidence.frames"),
        (ask(decoding=Decoding(temperature=-1)), "question.decoding.temperature"),
        (ask(decoding=Decoding(temperature=float("nan"))), "question.decoding.temperature"),
        (ask(decoding=Decoding(top_p=1.5)), "question.decoding.top_p"),
        (ask(decoding=Decoding(top_p=float("nan"))), "question.decoding.top_p"),
        (ask(decoding=Decoding(seed=2**63)), "question.decoding.seed"),
        (ask(decoding=Decoding(repetition_penalty=0)), "question.decoding.repetition_penalty"),
        (ask(decoding=Decoding(stop=[""])), "question.decoding.stop"),
        (ask(decoding=Decoding(stop=["a"] * 17)), "question.decoding.stop"),
        (ask(span=QuestionSpan()), "question.span"),
        (ask(span=QuestionSpan(last={"seconds": 5}, start={"seconds": 5})), "question.span"),
        (ask(span=QuestionSpan(end={}, media_end={})), "question.span"),
        (ask(span=QuestionSpan(last={})), "question.span.last"),
        (ask(span=QuestionSpan(last={"seconds": -5})), "question.span.last"),
        (ask(span=QuestionSpan(start={"seconds": 6}, end={"seconds": 5})), "question.span"),
        (ask(span=QuestionSpan(start={"seconds": -1})), "question.span.start"),
        (ask(span=QuestionSpan(end={"seconds": 2**60})), "question.span.end"),
        (ask(span=QuestionSpan(end={"nanos": -1})), "question.span.end"),
        (ask(span=QuestionSpan(media_start={"seconds": -1})), "question.span.media_start"),
        (ask(span=QuestionSpan(media_end={"seconds": 2**60})), "question.span.media_end"),
    ],
)
def test_what_is_wrong_is_named(request_: QueryServiceAskRequest, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        RULES.check(request_)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {"turns": [Turn(question="why?", answer="b" * 26)], "evidence": {"frames": 5}},
        {"choices": TWO, "evidence": {"frames": 1, "pictures": True}},
        {"json_schema": "true", "decoding": Decoding(temperature=2, seed=0, top_p=0)},
        {"regex": "a" * 40, "max_tokens": 100},
        {"decoding": Decoding(stop=["\n"], top_k=1)},
        {"span": QuestionSpan(last={"nanos": 1_000_000})},
        {"span": QuestionSpan(start={}, end={})},
        {"span": QuestionSpan(media_end={"seconds": 5})},
    ],
)
def test_what_may_be_asked(fields: dict[str, object]) -> None:
    request = ask(**fields)
    assert RULES.check(request) == request.question


def test_what_a_later_client_asks_for_is_not_left_out() -> None:
    question = Question.FromString(
        Question(camera_id="lobby", text="what?").SerializeToString() + b"\xf2\x07\x01x"
    )
    with pytest.raises(Unsupported, match="older than the client"):
        RULES.check(QueryServiceAskRequest(question=question))


def test_a_schema_that_no_parser_takes_is_refused() -> None:
    rules = QuestionRules(max_chars=10, max_tokens=100)
    for schema in ("[" * 60_000, "1" * 5_000):
        with pytest.raises(InvalidInput) as caught:
            rules.check(ask(json_schema=schema))
        assert caught.value.field == "question.json_schema"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"camera_id": "a b"}, "camera_id"),
        ({"answer_id": ""}, "answer_id"),
        ({"answer_id": "a" * 129}, "answer_id"),
        ({"evidence": EvidenceRequest()}, "evidence.frames"),
        ({"evidence": EvidenceRequest(frames=6)}, "evidence.frames"),
    ],
)
def test_what_is_wrong_with_a_request_for_evidence_is_named(
    fields: dict[str, object], field: str
) -> None:
    good: dict[str, object] = {
        "camera_id": "lobby",
        "answer_id": "7",
        "evidence": EvidenceRequest(frames=5),
    }
    RULES.check_later(QueryServiceGetEvidenceRequest(**good))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput) as caught:
        RULES.check_later(
            QueryServiceGetEvidenceRequest(**{**good, **fields})  # type: ignore[arg-type]
        )
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
