"""StreamingBench (arXiv 2411.03628, github.com/THUNLP-MT/StreamingBench, MIT).

Files, prompts, clips and the form of results are those of the repository as of 2025-05-16.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput
from hermes.evaluation.item import Item, Reply, Video, Watch, without_letter
from hermes.evaluation.records import Record, digest_of, find_data, find_video, read_list
from hermes.evaluation.stamps import is_odd, seconds_of

TASKS = ("real", "sqa", "proactive", "omni")
GRACE_S = 4
"""A proactive question is asked each second up to so long after the right moment."""

_PROMPT = """\
You are an advanced video question-answering AI assistant. You have been provided with some frames\
 from the video and a multiple-choice question related to the video. Your task is to carefully\
 analyze the video and provide the best answer to question, choosing from the four options\
 provided. Respond with only the letter (A, B, C, or D) of the correct option.

Question: {}

Options:
{}
{}
{}
{}

The best option is:"""

_SEQUENTIAL = """\
You are an advanced video question-answering AI assistant. You have been provided with a video and\
 a multiple-choice question related to the video. Your task is to carefully analyze the video and\
 the provided context to answer the question, choosing from the four options provided. Respond\
 with only the letter (A, B, C, or D) of the correct option.

{}

Here is the question. Answer it and don't confuse it with the previous conversation.
Question: {}

Options:
{}
{}
{}
{}

The best option is:"""

_PROACTIVE = """\
You are an advanced image question-answering AI assistant. You have been provided with images and\
 a question related to the images. Your task is to carefully analyze the images and provide the\
 answer to the question. You need to carefully confirm whether the images content meet the\
 conditions of the question, and then output the correct content.

Question: {}

The answer is:
"""

_CONTEXT = (
    "Here are the contextual information related to the video. Please answer the questions based on"
    " the contextual information: "
)


class StreamingBench:
    """The files `questions_*.json` of a folder, and the videos that they name."""

    name = "streamingbench"
    max_tokens = 32

    def __init__(self, folder: Path, tasks: Sequence[str] = (), videos: Path | None = None) -> None:
        """`tasks`: some of `TASKS`; by default those whose files are there."""
        self._folders = [videos] if videos else [folder, folder / "src" / "data"]
        self._files: dict[str, Path] = {}
        for task in tasks or TASKS:
            if task not in TASKS:
                raise InvalidInput("task", f"{task} is unknown; known: {', '.join(TASKS)}")
            try:
                self._files[task] = find_data(folder, [f"questions_{task}.json"], "questions")
            except InvalidInput:
                if tasks:
                    raise
        if not self._files:
            find_data(folder, [f"questions_{task}.json" for task in TASKS], "questions")
        self._data = {task: read_list(path) for task, path in self._files.items()}
        self.notes: list[str] = []
        self._videos: dict[str, list[Item]] = {}
        self._asked: dict[tuple[object, ...], str] = {}
        for task, data in self._data.items():
            self._read(task, data)
        self.digest = digest_of(self._files.values())

    @property
    def videos(self) -> list[Video]:
        """In the order of their first question."""
        return [
            Video(name, find_video(name, self._folders), tuple(items))
            for name, items in self._videos.items()
        ]

    def _read(self, task: str, data: list[Any]) -> None:
        """Records in a list; of sequential questions, lists of those that belong together."""
        file = self._files[task].name
        for number, part in enumerate(data):
            if task != "sqa":
                for name, item in self._items(
                    task, Record(part, f"{file}, record {number + 1}"), str(number)
                ):
                    self._add(name, item)
                continue
            if not isinstance(part, list):
                raise InvalidInput(f"{file}, video {number + 1}", "is not a list of records")
            context = ""
            for second, value in enumerate(part):
                record = Record(value, f"{file}, video {number + 1}, record {second + 1}")
                for name, item, said in self._sequential(record, f"{number}.{second}", context):
                    self._add(name, item)
                    context = said

    def _add(self, name: str, item: Item) -> None:
        self._videos.setdefault(name, []).append(item)

    def _items(self, task: str, record: Record, number: str) -> Iterable[tuple[str, Item]]:
        name = record.text("video_path")
        for second, asked in enumerate(record.records("questions")):
            key = f"{task}/{number}/{second}"
            if task == "proactive":
                yield name, self._watched(key, asked)
            else:
                options = _lettered(asked)
                prompt = _PROMPT.format(asked.text("question"), *options[:4])
                yield name, self._chosen(key, task, name, asked, prompt)

    def _sequential(
        self, record: Record, number: str, context: str
    ) -> Iterable[tuple[str, Item, str]]:
        """An item, and the context of the next one: what was asked, with the right answers."""
        name = record.text("video_path")
        for second, asked in enumerate(record.records("questions")):
            options = _lettered(asked)[:4]
            question = asked.text("question")
            prompt = _SEQUENTIAL.format(context, question, *options)
            context = (context or _CONTEXT) + (
                f"At timestamp {asked.text('time_stamp')}, the following question and answer"
                f" occurred: Question: {question}; Options: {', '.join(options)}; Answer:"
                f" {asked.text('answer')}; "
            )
            yield (
                name,
                self._chosen(f"sqa/{number}/{second}", "sqa", name, asked, prompt),
                context,
            )

    def _chosen(self, key: str, task: str, name: str, asked: Record, prompt: str) -> Item:
        options = tuple(
            without_letter(option, number) for number, option in enumerate(_lettered(asked)[:4])
        )
        at = self._time(asked, "time_stamp")
        gold = asked.text("answer").strip()
        if gold not in ("A", "B", "C", "D"):
            raise asked.wrong("answer", f"must be A, B, C or D, not {gold!r}")
        known = self._asked.setdefault((task, name, at, asked.text("question")), key)
        if known != key:
            self.notes.append(f"{asked.where} asks what {known} asks")
        return Item(
            key=key,
            task=asked.text("task_type"),
            group=task,
            question=asked.text("question"),
            prompt=prompt,
            gold=gold,
            rule="first-character",
            at_s=at,
            options=options,
            evidence_s=asked.number("evidence_s") if asked.has("evidence_s") else None,
            repeats="" if known == key else known,
        )

    def _watched(self, key: str, asked: Record) -> Item:
        since = self._time(asked, "time_stamp")
        right = self._time(asked, "ground_truth_time_stamp")
        wanted, question = asked.text("ground_truth_output"), asked.text("question")
        if right < since:
            raise asked.wrong("ground_truth_time_stamp", "is before the question's time_stamp")
        asks = (
            f'{question} Is it the right time to output "{wanted}"? You can only answer yes or no.'
        )
        return Item(
            key=key,
            task=asked.text("task_type"),
            group="proactive",
            question=asks,
            prompt=_PROACTIVE.format(asks),
            gold=wanted,
            rule="moment",
            at_s=since + 1,
            since_s=since,
            watch=Watch(right, right + GRACE_S, _PROACTIVE.format(question)),
        )

    def _time(self, asked: Record, field: str) -> int:
        stamp = asked.text(field)
        seconds = seconds_of(stamp)
        if seconds is None:
            raise asked.wrong(field, f"{stamp!r} is no time stamp")
        if is_odd(stamp):
            self.notes.append(f"{asked.where}: the {field} {stamp!r} is read as {seconds} s")
        return seconds

    def submission(self, model: str, replies: Mapping[str, Reply]) -> dict[str, Any]:
        """The question files with the answers in them, for the repository's `count.py`."""
        made = {}
        for task, data in self._data.items():
            filled = deepcopy(data)
            for number, part in enumerate(filled):
                records = part if task == "sqa" else [part]
                for second, record in enumerate(records):
                    place = f"{number}.{second}" if task == "sqa" else str(number)
                    for third, question in enumerate(record["questions"]):
                        reply = replies.get(f"{task}/{place}/{third}")
                        if reply is not None:
                            question[model] = _filed(reply, task == "proactive")
            made[f"{task}_output_{model}.json"] = filled
        return made


def _filed(reply: Reply, watched: bool) -> Any:
    if not watched:
        return reply.text or ""
    said: list[dict[str, Any]] = []
    for poll in reply.polls:
        said += [
            {"role": "user", "content": poll.asked, "time": poll.at_s},
            {"role": "assistant", "content": poll.said, "time": poll.at_s},
        ]
    spoke = len(reply.polls) > 1 and reply.polls[-1].at_s == reply.polls[-2].at_s
    return {"answered": reply.polls[-1].at_s if spoke else False, "dialog_history": said}


def _lettered(asked: Record) -> tuple[str, ...]:
    """The options, each with its letter."""
    options = asked.texts("options", least=4)
    if options[0].startswith("A."):
        return options
    return tuple(f"{chr(ord('A') + number)}. {text}" for number, text in enumerate(options))
