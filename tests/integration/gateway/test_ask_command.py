"""`hermes ask` and `hermes evidence` against a real gateway: what is sent, and what is printed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from google.protobuf.text_format import Parse
from typer.testing import CliRunner, Result

from hermes import errors
from hermes.v1.query_pb2 import FRESHNESS_CACHED, Complete, Decoding, Question, Turn
from services.cli.main import app
from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import End, Fail, FakeWorker, Find, Say

SPAN = """
    answer_id: "5-17"
    span {
      span { start { seconds: 1700000000 } end { seconds: 1700000600 } }
      frames: 7 whole { seconds: 125 } forgotten { seconds: 475 }
    }
"""
CHOICES = """
    choices { text: "yes" probability: 0.25 logprob: -1.4 tokens: 2 }
    choices { text: "no" probability: 0.75 logprob: -0.3 tokens: 2 }
"""
EVIDENCE = """
    evidence {
      logprob: -1 largest_fall: 4.2 readings: 12
      frames { captured { seconds: 1700000061 } frame: 4 logprob_without: -5.2 picture: "jpeg" }
      frames { captured { seconds: 1700000062 } frame: 5 logprob_without: -2 }
    }
"""


def complete(text: str) -> Complete:
    return Parse(text, Complete())


async def hermes(gateway: Gateway, *words: str, said: str | None = None) -> Result:
    """What a command prints; `said`: on its standard input."""
    arguments = [*words, "--gateway", f"127.0.0.1:{gateway.port}"]
    environment = {"TZ": "UTC", "COLUMNS": "100", "HERMES_TOKEN": ""}
    return await asyncio.to_thread(
        lambda: CliRunner().invoke(app, arguments, input=said, env=environment)
    )


async def test_everything_that_can_be_asked(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("a star"), End(also=complete(SPAN))]]
    done = await hermes(
        gateway,
        *("ask", "lobby", "What came first?", "--from", "2023-11-14T22:13:20Z"),
        *("--to", "2023-11-14T22:23:20+00:00", "--regex", "[a-z ]+", "--evidence", "3"),
        *("--temperature", "0.5", "--top-p", "0.9", "--top-k", "4", "--seed", "0"),
        *("--repetition-penalty", "1.5", "--logprobs", "--max-tokens", "7"),
    )
    assert (done.exit_code, done.stdout) == (0, "a star\n")
    assert "2 min 5 s whole, 7 min 55 s forgotten, 7 frames" in done.stderr
    assert "answer 5-17" in done.stderr
    sent = worker.calls[0].request.question
    wanted = Question(
        camera_id="lobby",
        text="What came first?",
        max_tokens=7,
        freshness=sent.freshness,
        regex="[a-z ]+",
        evidence={"frames": 3},
        decoding=Decoding(
            temperature=0.5,
            top_p=0.9,
            top_k=4,
            seed=0,
            repetition_penalty=1.5,
            logprobs=True,
        ),
    )
    wanted.span.start.FromSeconds(1_700_000_000)
    wanted.span.end.FromSeconds(1_700_000_600)
    assert sent == wanted


async def test_a_plain_question_is_as_it_always_was(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    done = await hermes(gateway, "ask", "lobby", "what?", "--cached")
    assert (done.exit_code, done.stdout) == (0, "a red car\n")
    assert done.stderr.startswith("TTFT ")
    question = worker.calls[0].request.question
    assert question == Question(camera_id="lobby", text="what?", freshness=FRESHNESS_CACHED)


async def test_other_spans(gateway: Gateway, worker: FakeWorker, lobby: str) -> None:
    worker.scripts = [[End(also=complete(SPAN))]]
    await hermes(gateway, "ask", "lobby", "what?", "--last", "1h30m")
    await hermes(gateway, "ask", "lobby", "what?", "--media-from", "1:20", "--media-to", "2:05.5")
    last, media = (call.request.question.span for call in worker.calls)
    assert last.last.ToSeconds() == 5400
    assert (media.media_start.ToMilliseconds(), media.media_end.ToMilliseconds()) == (
        80_000,
        125_500,
    )


async def test_choices_print_the_likeliest_and_then_all_as_bars(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("no"), End(also=complete(CHOICES))]]
    for options in (("--yes-no",), ("--choices", "yes, no")):
        done = await hermes(gateway, "ask", "lobby", "open?", *options)
        assert done.stdout == "no\n"  # for `[ "$(hermes ask ...)" = no ]`
        first, second = done.stderr.splitlines()[:2]
        assert (first.split()[0], first.split()[-1]) == ("no", "75.0%")
        assert (second.split()[0], second.split()[-1]) == ("yes", "25.0%")
        assert list(worker.calls[-1].request.question.choices.texts) == ["yes", "no"]


async def test_a_schema_from_a_file_and_from_standard_input(
    gateway: Gateway, worker: FakeWorker, lobby: str, tmp_path: Path
) -> None:
    worker.scripts = [[Say('{"count": 3}'), End()]]
    file = tmp_path / "schema.json"
    file.write_text('{"type": "object"}')
    done = await hermes(gateway, "ask", "lobby", "how many?", "--schema", str(file))
    assert json.loads(done.stdout) == {"count": 3}
    await hermes(gateway, "ask", "lobby", "how many?", "--schema", "-", said="true")
    sent = [call.request.question.json_schema for call in worker.calls]
    assert sent == ['{"type": "object"}', "true"]


async def test_evidence_and_its_pictures(
    gateway: Gateway, worker: FakeWorker, lobby: str, tmp_path: Path
) -> None:
    worker.scripts = [[Say("yes"), End(also=complete(EVIDENCE))]]
    folder = tmp_path / "new" / "proof"
    done = await hermes(gateway, "ask", "lobby", "what?", "--evidence-dir", str(folder))
    assert done.stdout == "yes\n"
    assert "much less likely without it (67 times)" in done.stderr
    (file,) = folder.iterdir()
    assert file.read_bytes() == b"jpeg"
    assert file.name.startswith("lobby-2023111")
    assert f"written: {file}" in done.stderr.replace("\n", "")
    asked = worker.calls[0].request.question.evidence
    assert (asked.frames, asked.pictures) == (3, True)
    blocked = await hermes(gateway, "ask", "lobby", "what?", "--evidence-dir", str(file / "x"))
    assert blocked.exit_code == 1
    assert "cannot write to" in blocked.stderr


async def test_evidence_afterwards(
    gateway: Gateway, worker: FakeWorker, lobby: str, tmp_path: Path
) -> None:
    worker.finds = [Find(complete(EVIDENCE).evidence)]
    done = await hermes(gateway, "evidence", "5-17", "--camera", "lobby", "--frames", "2")
    assert "67 times" in done.stdout
    request = worker.searches[0].request
    assert (request.answer_id, request.evidence.frames, request.evidence.pictures) == (
        "5-17",
        2,
        False,
    )
    options = ("--evidence-dir", str(tmp_path), "--json")
    done = await hermes(gateway, "evidence", "5-17", "-c", "lobby", *options)
    frames = json.loads(done.stdout)["frames"]
    assert [frame["fall"] for frame in frames] == [pytest.approx(4.2), 1.0]
    assert Path(frames[0]["file"]).read_bytes() == b"jpeg"
    assert frames[1]["file"] is None
    worker.finds = [Fail(errors.AnswerNotFound("evidence can be asked for for 60 s"))]
    done = await hermes(gateway, "evidence", "5-17", "-c", "lobby")
    assert isinstance(done.exception, errors.AnswerNotFound)


async def test_json_has_all_of_it(
    gateway: Gateway, worker: FakeWorker, lobby: str, tmp_path: Path
) -> None:
    worker.scripts = [[Say("no"), End(also=complete(SPAN + CHOICES + EVIDENCE))]]
    options = ("--yes-no", "--last", "10m", "--evidence-dir", str(tmp_path), "--json")
    done = await hermes(gateway, "ask", "lobby", "open?", *options)
    delta, result = map(json.loads, done.stdout.splitlines())
    assert delta == {"delta": "no"}
    found = result["complete"]
    assert (found["text"], found["answer_id"], found["dropped_turns"]) == ("no", "5-17", 0)
    assert (found["span"]["whole_s"], found["span"]["frames"]) == (125.0, 7)
    assert found["span"]["span"]["start"] == "2023-11-14T22:13:20+00:00"
    assert [choice["probability"] for choice in found["choices"]] == [0.25, 0.75]
    assert found["evidence"]["readings"] == 12
    assert Path(found["evidence"]["frames"][0]["file"]).read_bytes() == b"jpeg"
    assert "picture" not in found["evidence"]["frames"][0]


async def test_a_cut_answer_is_an_error_with_its_reason(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say('{"a'), Fail(errors.AnswerCut("allow more tokens"))]]
    options = ("--schema", "-", "--json")
    done = await hermes(gateway, "ask", "lobby", "what?", *options, said="{}")
    assert done.exit_code == 1
    last = json.loads(done.stdout.splitlines()[-1])
    assert last == {"error": {"reason": "ANSWER_CUT", "message": "allow more tokens"}}
    done = await hermes(gateway, "ask", "lobby", "what?", "--schema", "-", said="{}")
    assert done.stdout == '{"a\n'  # the error begins a line of its own
    assert isinstance(done.exception, errors.AnswerCut)


async def test_a_conversation_sends_its_turns_until_it_is_cleared(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [
        [Say("a star"), End(also=complete(SPAN))],
        [Fail(errors.CameraNotReady("lobby is catching up"))],
        [Say("left"), End(also=complete(SPAN + "dropped_turns: 1"))],
        [Say("now"), End(also=complete(SPAN))],
    ]
    lines = "and then?\nwhere?\nclear\nwhen?\n\n"
    options = ("-i", "--last", "10m")
    done = await hermes(gateway, "ask", "lobby", "what?", *options, said=lines)
    assert done.exit_code == 0
    questions = [call.request.question for call in worker.calls]
    assert [question.text for question in questions] == ["what?", "and then?", "where?", "when?"]
    first = Turn(question="what?", answer="a star")
    assert [list(question.turns) for question in questions] == [[], [first], [first], []]
    assert {question.span.last.ToSeconds() for question in questions} == {600}
    assert "lobby is catching up" in done.stderr
    assert "the oldest turn of this conversation had no room" in done.stderr
    assert "2 earlier turns forgotten" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ask", "lobby"), "QUESTION: is missing"),
        (("ask", "lobby", "-i", "--json"), "--json: cannot be combined"),
        (("ask", "lobby", "what?", "--last", "soon"), "--last: 'soon' is no length"),
        (("ask", "lobby", "what?", "--last", "1m", "--to", "14:00"), "--last: cannot be combined"),
        (("ask", "lobby", "what?", "--yes-no", "--regex", "a"), "--yes-no: cannot be combined"),
        (("ask", "lobby", "what?", "--schema", "/none"), "--schema: /none cannot be read"),
        (("ask", "lobby", "what?", "--yes-no", "--max-tokens", "3"), "question.max_tokens: has no"),
        (("ask", "lobby", "what?", "--schema", "-"), "question.json_schema: is not JSON"),
    ],
)
async def test_what_cannot_be_meant_is_said(
    gateway: Gateway, worker: FakeWorker, lobby: str, words: tuple[str, ...], told: str
) -> None:
    done = await hermes(gateway, *words, said="{no")
    assert isinstance(done.exception, errors.InvalidInput)
    assert told in str(done.exception)
    assert worker.calls == []
