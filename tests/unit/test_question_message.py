"""A question's message becomes the value that the engine takes."""

from __future__ import annotations

from hermes.question import Choices, JsonSchema, Question, Regex, Span, Turn
from hermes.question_message import all_known, question_of
from hermes.sampling import Sampling
from hermes.v1 import query_pb2
from hermes.v1.query_pb2 import QuestionSpan

NOW_MS = 1_700_000_000_000


def of(**fields: object) -> Question:
    given: dict[str, object] = {"camera_id": "lobby", "text": "what?", **fields}
    return question_of(query_pb2.Question(**given), NOW_MS)  # type: ignore[arg-type]


def test_an_old_clients_question_is_plain() -> None:
    assert of(max_tokens=7, freshness=2) == Question("what?", 7)


def test_parts_of_a_later_version_are_noticed_at_any_depth() -> None:
    plain = query_pb2.Question(text="what?", choices={"texts": ["a", "b"]}, span={"last": {}})
    assert all_known(plain)
    later = b"\xf2\x07\x01x"  # field 126, a text
    assert not all_known(query_pb2.Question.FromString(plain.SerializeToString() + later))
    within = QuestionSpan.FromString(later)
    assert not all_known(query_pb2.Question(text="what?", span=within))


def test_forms_and_turns_and_evidence() -> None:
    assert of(choices={"texts": ["yes", "no"]}).form == Choices(("yes", "no"))
    assert of(json_schema="{}").form == JsonSchema("{}")
    assert of(regex="a+").form == Regex("a+")
    turns = of(turns=[query_pb2.Turn(question="who?", answer="a star")]).turns
    assert turns == (Turn("who?", "a star"),)
    assert of(evidence={"frames": 3, "pictures": True}).evidence == 3


def test_the_last_ten_minutes_end_when_the_question_comes_in() -> None:
    assert of(span=QuestionSpan(last={"seconds": 600})).span == Span(NOW_MS - 600_000, NOW_MS)
    assert of(span=QuestionSpan(last={"seconds": 10**10})).span == Span(0, NOW_MS)


def test_spans_of_capture_time_and_of_files() -> None:
    both = QuestionSpan(start={"seconds": 5, "nanos": 1_999_999}, end={"seconds": 6})
    assert of(span=both).span == Span(5_001, 6_000)
    assert of(span=QuestionSpan(end={"seconds": 6})).span == Span(None, 6_000)
    media = QuestionSpan(media_start={"seconds": 80}, media_end={"seconds": 125})
    assert of(span=media).span == Span(80_000, 125_000, media=True)


def test_what_is_unset_in_decoding_is_the_models_own() -> None:
    assert of(decoding={}).sampling == Sampling()
    decoding = query_pb2.Decoding(
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        seed=0,
        repetition_penalty=1.0,
        stop=["\n"],
        logprobs=True,
    )
    assert of(decoding=decoding).sampling == Sampling(
        temperature=0.5,
        top_k=4,
        top_p=0.9,
        seed=0,
        repetition_penalty=1.0,
        stop=("\n",),
        logprobs=True,
    )
