"""The formats of the benchmarks, with what is odd in their real files."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes.errors import InvalidInput
from hermes.evaluation.item import Poll, Reply
from hermes.evaluation.ovobench import OvoBench
from hermes.evaluation.own import Own
from hermes.evaluation.rvs import Rvs
from hermes.evaluation.streamingbench import StreamingBench
from hermes.evaluation.videomme import VideoMmeLong
from tests.support.evaluation import touch, write

OPTIONS = ["A. red", "B. green", "C. blue", "D. white"]


def asked(stamp: str, text: str = "What colour?", **more: Any) -> dict[str, Any]:
    question = {
        "task_type": "Counting",
        "question": text,
        "time_stamp": stamp,
        "answer": "B",
        "options": OPTIONS,
        "required_ability": "episodic memory",
    }
    return {**question, **more}


def record(video: str, *questions: dict[str, Any]) -> dict[str, Any]:
    return {
        "time": "[0:00:00 - 0:00:10]",
        "questions": list(questions),
        "video_categories": "sports",
        "video_path": f"./videos/{video}.mp4",
    }


# -- StreamingBench --------------------------------------------------------------


def test_streamingbench_with_all_that_is_odd_in_it(tmp_path: Path) -> None:
    """A stamp with a part too large, one of two parts, one digit, times out of order, a duplicate,
    and a video that is not there.
    """
    write(
        tmp_path / "questions_real.json",
        [
            record("one", asked("0:07:40"), asked("00:12450", "What was it?")),
            record("two", asked("00:24"), asked("00:00:8", "And before?")),
            record("one", asked("00:01:00", "Earlier?")),
            record("one", asked("0:07:40")),
        ],
    )
    touch(tmp_path, ["videos/one.mp4"])
    found = StreamingBench(tmp_path)
    one, two = found.videos
    assert (one.name, two.name) == ("./videos/one.mp4", "./videos/two.mp4")
    assert one.path == tmp_path / "videos" / "one.mp4"
    assert two.path is None
    assert [item.at_s for item in one.items] == [460, 12450, 60, 460]
    assert [item.at_s for item in two.items] == [24, 8]
    assert [item.key for item in one.items] == ["real/0/0", "real/0/1", "real/2/0", "real/3/0"]
    assert [item.repeats for item in one.items] == ["", "", "", "real/0/0"]
    assert (one.end_s, two.end_s) == (12450, 24)
    assert len(found.notes) == 4  # three stamps and the duplicate
    assert "'00:12450' is read as 12450 s" in found.notes[0]
    assert one.items[0].options == ("red", "green", "blue", "white")
    assert one.items[0].gold == "B"
    assert one.items[0].prompt.endswith(
        "\n\nQuestion: What colour?\n\nOptions:\nA. red\nB. green\nC. blue\nD. white"
        "\n\nThe best option is:"
    )


def test_sequential_questions_carry_the_right_earlier_answers(tmp_path: Path) -> None:
    plain = [option[3:] for option in OPTIONS]
    video = [
        record("one", asked("00:00:30", "First?", options=plain)),
        record("one", asked("00:00:20", "Second?", options=plain)),
    ]
    write(tmp_path / "questions_sqa.json", [video])
    (only,) = StreamingBench(tmp_path).videos
    first, second = only.items
    assert "\n\n\n\nHere is the question." in first.prompt  # no context yet
    said = (
        "At timestamp 00:00:30, the following question and answer occurred: Question: First?;"
        " Options: A. red, B. green, C. blue, D. white; Answer: B; "
    )
    assert second.prompt.count(said) == 1
    assert "Second?" not in first.prompt


def test_proactive_questions_are_watched_until_four_seconds_too_late(tmp_path: Path) -> None:
    question = {
        "task_type": "Proactive Output",
        "question": 'When the sign shows 3, output "3".',
        "time_stamp": "00:00:20",
        "ground_truth_time_stamp": "0:00:29",
        "ground_truth_output": "3",
    }
    write(tmp_path / "questions_proactive.json", [record("one", question)])
    found = StreamingBench(tmp_path)
    (item,) = found.videos[0].items
    assert item.watch is not None
    assert (item.since_s, item.at_s, item.watch.right_s, item.last_s) == (20, 21, 29, 33)
    assert 'Is it the right time to output "3"? You can only answer yes or no.' in item.prompt
    polls = (Poll(28, "q", "no"), Poll(29, "q", "Yes."), Poll(29, "w", "3"))
    (filled,) = found.submission("m", {item.key: Reply("3", polls)})["proactive_output_m.json"]
    answer = filled["questions"][0]["m"]
    assert answer["answered"] == 29
    assert answer["dialog_history"][-1] == {"role": "assistant", "content": "3", "time": 29}
    (silent,) = found.submission("m", {item.key: Reply("no", polls[:1])})["proactive_output_m.json"]
    assert silent["questions"][0]["m"]["answered"] is False


def test_answers_are_filed_where_the_official_scorer_looks(tmp_path: Path) -> None:
    write(tmp_path / "questions_real.json", [record("one", asked("00:00:01"), asked("00:00:02"))])
    found = StreamingBench(tmp_path)
    made = found.submission("our-model", {"real/0/0": Reply("B"), "real/0/1": Reply(None)})
    (filled,) = made["real_output_our-model.json"]
    assert [question["our-model"] for question in filled["questions"]] == ["B", ""]
    assert [question["answer"] for question in filled["questions"]] == ["B", "B"]


# -- OVO-Bench -------------------------------------------------------------------


def choice(id: int, task: str, at: float, gt: int, answer: str) -> dict[str, Any]:
    return {
        "id": id,
        "task": task,
        "video": "Ego4D/clips/a.mp4",
        "realtime": at,
        "question": "What is it?",
        "answer": answer,
        "options": ["a cat", "a dog"],
        "gt": gt,
    }


FORWARD: list[dict[str, Any]] = [
    {
        "id": 7,
        "task": "REC",
        "video": "b.mp4",
        "activity": "jump",
        "start_times": [1],
        "end_times": [2],
        "test_info": [{"realtime": 2.5, "count": 1}, {"realtime": 9, "count": 3}],
    },
    {
        "id": 8,
        "task": "SSR",
        "video": "b.mp4",
        "tutorial": "t",
        "all_steps": ["stir"],
        "start_time": [1],
        "end_time": [4],
        "test_info": [{"realtime": 3, "step": "stir", "type": 1}],
    },
    {
        "id": 9,
        "task": "CRR",
        "video": "Ego4D/clips/a.mp4",
        "question": "Who came?",
        "answer": "a man",
        "ask_time": 3,
        "clue_time": 8,
        "test_info": [{"realtime": 3, "type": 0}, {"realtime": 9, "type": 1}],
    },
]


def test_ovobench_with_all_that_is_odd_in_it(tmp_path: Path) -> None:
    """A question in the first frame, and a `gt` that names another option than `answer`."""
    data = [choice(0, "EPM", 215, 1, "a cat"), choice(1117, "FPD", 0.03, 0, "a cat"), *FORWARD]
    write(tmp_path / "data" / "ovo_bench_new.json", data)
    touch(tmp_path, ["src_videos/Ego4D/clips/a.mp4"])
    found = OvoBench(tmp_path)
    first, second = found.videos
    assert first.path == tmp_path / "src_videos" / "Ego4D" / "clips" / "a.mp4"
    assert second.path is None
    by_key = {item.key: item for video in found.videos for item in video.items}
    assert list(by_key) == ["0", "1117", "9_0", "9_1", "7_0", "7_1", "8_0"]
    assert by_key["0"].gold == "B"  # gt, not answer
    assert by_key["1117"].at_s == 1  # the clip of a naive reader is empty
    assert (by_key["7_0"].at_s, by_key["7_1"].gold) == (3, "3")
    assert [by_key[key].gold for key in ("8_0", "9_0", "9_1")] == ["Yes", "No", "Yes"]
    assert "Options:\nA. a cat; B. a dog;\n" in by_key["0"].prompt
    assert "How many times did they jump?" in by_key["7_0"].prompt
    assert len(found.notes) == 2
    assert "in 1 records `gt` names another option" in found.notes[1]


def test_ovobench_results_are_those_that_its_scorer_reads(tmp_path: Path) -> None:
    write(tmp_path / "ovo_bench_new.json", [choice(0, "EPM", 5, 1, "a dog"), *FORWARD])
    found = OvoBench(tmp_path)
    replies = {"0": Reply("B"), "7_0": Reply("1"), "9_1": Reply("Yes")}
    (made,) = found.submission("m", replies).values()
    assert made["backward"] == [
        {
            "id": 0,
            "video": "Ego4D/clips/a.mp4",
            "task": "EPM",
            "question": "What is it?",
            "response": "B",
            "ground_truth": "B",
        }
    ]
    assert made["realtime"] == []
    said = [[info["response"] for info in one["test_info"]] for one in made["forward"]]
    assert said == [["1", None], [None], [None, "Yes"]]
    assert list(found.submission("m", {})) == ["m_EPM_REC_SSR_CRR_offline_1.json"]


def test_ovobench_can_be_run_by_tasks(tmp_path: Path) -> None:
    write(tmp_path / "ovo_bench_new.json", [choice(0, "EPM", 5, 1, "a dog"), *FORWARD])
    assert len(OvoBench(tmp_path, ["SSR"]).videos[0].items) == 1
    with pytest.raises(InvalidInput, match="task: ABC is unknown"):
        OvoBench(tmp_path, ["ABC"])


# -- RVS -------------------------------------------------------------------------


def test_rvs_in_both_of_its_files(tmp_path: Path) -> None:
    def video(path: str) -> dict[str, Any]:
        talk = [{"question": "What?", "answer": "a, b", "start_time": 1, "end_time": 7.5}]
        return {"video_id": "v", "video_path": path, "duration": 20, "conversations": talk}

    write(tmp_path / "ego" / "ego4d_oe.json", [video("data/rvs/ego/videos/v.npy")])
    write(tmp_path / "movie" / "movienet_oe.json", [video("videos/v.mp4")])
    touch(tmp_path, ["ego/videos/v.npy"])
    found = Rvs(tmp_path)
    ego, movie = found.videos
    assert ego.path == tmp_path / "ego" / "videos" / "v.npy"
    assert movie.path is None
    (item,) = ego.items
    assert (item.key, item.at_s, item.gold, item.rule) == ("ego/v/0", 7.5, "a, b", "judged")
    assert item.prompt == "What?"
    table = found.submission("m", {"ego/v/0": Reply("a\nb")})["rvs_ego_m.csv"]
    assert table == 'video_id,question,answer,pred_answer\nv,What?,"a, b",ab\n'


# -- Video-MME ---------------------------------------------------------------------


def test_videomme_takes_long_videos_alone_in_both_forms(tmp_path: Path) -> None:
    question = {
        "question_id": "601-1",
        "task_type": "Counting Problem",
        "question": "How many?",
        "options": ["A. 1.", "B. 2.", "C. 3.", "D. 4."],
        "answer": "C",
    }
    about = {"duration": "long", "domain": "Knowledge", "sub_category": "Law"}
    template = [
        {"video_id": "001", **about, "duration": "short", "questions": [question]},
        {"video_id": "601", **about, "questions": [question]},
    ]
    rows = [{"video_id": "601", "videoID": "xyz", **about, **question}]
    touch(tmp_path, ["videos/xyz.mp4"])
    places = []
    for data in (template, rows):
        write(tmp_path / "videomme.json", data)
        found = VideoMmeLong(tmp_path)
        (video,) = found.videos
        places.append(video.path)
        (item,) = video.items
        assert (item.key, item.gold, item.at_s) == ("601-1", "C", math.inf)
        assert item.prompt.endswith("How many?\nA. 1.\nB. 2.\nC. 3.\nD. 4.\nThe best answer is:")
        ((entry,),) = found.submission("m", {"601-1": Reply("C. 3.")}).values()
        assert entry["questions"][0]["response"] == "C. 3."
        assert entry["duration"] == "long"
    assert places == [None, tmp_path / "videos" / "xyz.mp4"]


# -- a person's own ----------------------------------------------------------------


def own(tmp_path: Path, *lines: object) -> Own:
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return Own(path, tmp_path)


GOOD = {"video": "a.mp4", "question": "Who?", "answer": "a dog", "choices": ["a cat", "a dog"]}


def test_own_questions(tmp_path: Path) -> None:
    touch(tmp_path, ["a.mp4"])
    found = own(
        tmp_path,
        {**GOOD, "at": "0:01:15", "evidence": 12, "task": "animals", "id": "dog"},
        {"video": "b.mp4", "question": "How many?", "answer": ["two", "2"]},
        {**GOOD, "answer": "A"},
    )
    first, second = found.videos
    assert (first.path, second.path) == (tmp_path / "a.mp4", None)
    dog, letter = first.items
    assert (dog.key, dog.gold, dog.at_s) == ("dog", "B", 75)
    assert (dog.evidence_s, dog.task) == (12, "animals")
    assert letter.gold == "A"
    (count,) = second.items
    assert (count.key, count.gold, count.rule, count.at_s) == ("2", "two\n2", "exact", math.inf)
    assert [one["said"] for one in found.submission("m", {"dog": Reply("B")})["own_m.json"]] == [
        "B",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({**GOOD, "answer": "a bird"}, "line 2: answer: 'a bird' is neither one of the choices"),
        ({**GOOD, "choices": ["a dog"]}, "line 2: choices: has 1 texts; at least 2"),
        ({**GOOD, "choices": ["a dog", "a dog"]}, "line 2: choices: has an empty text, or the"),
        ({**GOOD, "at": "soon"}, "line 2: at: 'soon' is neither seconds nor H:MM:SS"),
        ({**GOOD, "at": -1}, "line 2: at: must be a number from 0 on"),
        ({**GOOD, "at": 5, "evidence": 9}, "line 2: evidence: is at 9 s, after the question at 5"),
        ({**GOOD, "anwser": "x"}, "line 2: anwser: is unknown; known: video, question, answer"),
        ({"video": "a.mp4", "question": "Who?"}, "line 2: answer: is missing"),
        ({**GOOD, "question": " "}, "line 2: question: must be a text"),
        ({**GOOD, "video": 3}, "line 2: video: must be a text, not a number"),
        ([1], "line 2: is a list, not an object"),
        ({**GOOD, "id": "1"}, "line 2: id: '1' occurs twice"),
    ],
)
def test_own_questions_name_the_line_and_the_field(tmp_path: Path, line: object, said: str) -> None:
    with pytest.raises(InvalidInput) as found:
        own(tmp_path, GOOD, line)
    assert said in str(found.value)


# -- what is wrong is named ----------------------------------------------------------


def broken_question(**changed: Any) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        question = {name: one for name, one in asked("00:00:01", **changed).items() if one != ""}
        write(
            folder / "questions_real.json",
            [record("v", asked("00:00:01", "q")), record("v", question)],
        )
        return StreamingBench(folder)

    return read


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (broken_question(answer="E"), "record 2, questions 1: answer: must be A, B, C or D"),
        (broken_question(time_stamp="soon"), "record 2, questions 1: time_stamp: 'soon' is no"),
        (broken_question(options=["A. x"]), "questions 1: options: has 1 texts; at least 4"),
        (broken_question(question=None), "record 2, questions 1: question: is missing"),
        (StreamingBench, "data: .* has no questions: questions_real.json or"),
        (OvoBench, "has no annotations: ovo_bench_new.json or"),
        (Rvs, "has no annotations: ego4d_oe.json or"),
        (VideoMmeLong, "has no annotations: videomme.json or"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, read: Callable[[Path], object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read(tmp_path)


@pytest.mark.parametrize(("text", "said"), [("{", "is not JSON"), ('"x"', "is a text, not a list")])
def test_a_file_that_is_no_list_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "ovo_bench_new.json").write_text(text)
    with pytest.raises(InvalidInput, match=f"ovo_bench_new.json: {said}"):
        OvoBench(tmp_path)
