"""OVO-Bench (arXiv 2501.05510, github.com/JoeLeelyf/OVO-Bench; code MIT, data CC BY-NC-SA).

Files, prompts, clips and the form of results are those of the repository as of 2025-07-24.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput
from hermes.evaluation.item import Item, Reply, Video
from hermes.evaluation.records import Record, digest_of, find_data, find_video, records_of

GROUPS: dict[str, tuple[str, ...]] = {
    "backward": ("EPM", "ASI", "HLD"),
    "realtime": ("OCR", "ACR", "ATR", "STU", "FPD", "OJR"),
    "forward": ("REC", "SSR", "CRR"),
}
"""The tasks of each category, in the order of the paper's tables."""

TASKS = tuple(task for tasks in GROUPS.values() for task in tasks)
_FILES = ("ovo_bench_new.json", "ovo_bench.json")

_CHOICE = """
Question: {}
Options:
{}

Respond only with the letter corresponding to your chosen option (e.g., A, B, C).\x20
Do not include any additional text or explanation in your response.
"""

_COUNT = """
You're watching a video in which people may perform a certain type of action repetively.\x20
The person performing this kind of action are referred to as 'they' in the following statement.
You're task is to count how many times have different people in the video perform this kind of\
 action in total.
One complete motion counts as one.\x20
Now, answer the following question: {}
Provide your answer as a single number (e.g., 0, 1, 2, 3…) indicating the total count.
Do not include any additional text or explanation in your response.
"""

_STEP = """
You're watching a tutorial video which contain a sequential of steps.\x20
The following is one step from the whole procedures:\x20
{}
Your task is to determine if the man or woman in the video is currently performing this step.
Answer only with “Yes” or “No”.
Do not include any additional text or explanation in your response.
"""

_ENOUGH = """
You're responsible of answering questions based on the video content.\x20
The following question are relevant to the latest frames, i.e. the end of the video.
{}
Decide whether existing visual content, especially latest frames, i.e. frames that near the end of\
 the video, provide enough information for answering the question.
Answer only with “Yes” or “No”.
Do not include any additional text or explanation in your response.
"""


class OvoBench:
    """The annotations of a folder, and the videos that they name."""

    name = "ovobench"
    max_tokens = 32

    def __init__(self, folder: Path, tasks: Sequence[str] = (), videos: Path | None = None) -> None:
        """`tasks`: some of `TASKS`; by default all."""
        for task in tasks:
            if task not in TASKS:
                raise InvalidInput("task", f"{task} is unknown; known: {', '.join(TASKS)}")
        file = find_data(folder, _FILES, "annotations")
        self._folders = [videos] if videos else [folder, folder / "data"]
        self._records: list[Record] = []
        self.notes: list[str] = []
        self._videos: dict[str, list[Item]] = {}
        self._keys: set[str] = set()
        differ = 0
        for record in records_of(file):
            task = record.text("task")
            if task not in TASKS:
                raise record.wrong("task", f"{task} is unknown; known: {', '.join(TASKS)}")
            if tasks and task not in tasks:
                continue
            self._records.append(record)
            for item in self._items(record, task):
                if item.key in self._keys:
                    raise record.wrong("id", f"{item.key} occurs twice")
                self._keys.add(item.key)
                self._videos.setdefault(record.text("video"), []).append(item)
            differ += task not in GROUPS["forward"] and _differs(record)
        if differ:
            self.notes.append(
                f"in {differ} records `gt` names another option than `answer`: `gt` is used"
            )
        self.digest = digest_of([file])

    @property
    def videos(self) -> list[Video]:
        """In the order of their first question."""
        return [
            Video(name, find_video(name, self._folders), tuple(items))
            for name, items in self._videos.items()
        ]

    def _items(self, record: Record, task: str) -> Iterable[Item]:
        key = str(record.index("id", 1 << 31))
        if task in GROUPS["forward"]:
            for number, info in enumerate(record.records("test_info")):
                yield self._forward(record, task, f"{key}_{number}", info)
            return
        options = record.texts("options", least=2)
        listed = "; ".join(f"{chr(ord('A') + n)}. {text}" for n, text in enumerate(options)) + ";"
        question = record.text("question")
        yield Item(
            key=key,
            task=task,
            group=next(group for group, tasks in GROUPS.items() if task in tasks),
            question=question,
            prompt=_CHOICE.format(question, listed),
            gold=chr(ord("A") + record.index("gt", len(options))),
            rule="letter-within",
            at_s=self._time(record),
            options=options,
        )

    def _forward(self, record: Record, task: str, key: str, info: Record) -> Item:
        if task == "REC":
            question = f"How many times did they {record.text('activity')}?"
            prompt, gold = _COUNT.format(question), str(info.index("count", 1 << 31))
        elif task == "SSR":
            question = info.text("step")
            prompt, gold = _STEP.format(question), ("No", "Yes")[info.index("type", 2)]
        else:
            question = record.text("question")
            prompt, gold = _ENOUGH.format(question), ("No", "Yes")[info.index("type", 2)]
        return Item(
            key=key,
            task=task,
            group="forward",
            question=question,
            prompt=prompt,
            gold=gold,
            rule="joined-digits" if task == "REC" else "yes-no",
            at_s=self._time(info),
        )

    def _time(self, record: Record) -> float:
        """The end of the clip: whole seconds, upwards."""
        seconds = record.number("realtime")
        if seconds < 1:
            self.notes.append(f"{record.where}: is asked at {seconds:g} s, from the first picture")
        return math.ceil(seconds)

    def submission(self, model: str, replies: Mapping[str, Reply]) -> dict[str, Any]:
        """One file of results, for the repository's `score.py`."""
        made: dict[str, list[Any]] = {group: [] for group in GROUPS}
        for record in self._records:
            value, key = record.value, str(record.value["id"])
            if value["task"] in GROUPS["forward"]:
                filled = deepcopy(value)
                for number, info in enumerate(filled["test_info"]):
                    reply = replies.get(f"{key}_{number}")
                    info["response"] = None if reply is None else reply.text
                made["forward"].append(filled)
                continue
            group = "backward" if value["task"] in GROUPS["backward"] else "realtime"
            found = replies.get(key)
            made[group].append(
                {
                    "id": value["id"],
                    "video": value["video"],
                    "task": value["task"],
                    "question": value["question"],
                    "response": None if found is None else found.text,
                    "ground_truth": chr(ord("A") + value["gt"]),
                }
            )
        tasks = dict.fromkeys(record.value["task"] for record in self._records)
        return {f"{model}_{'_'.join(tasks)}_offline_1.json": made}


def _differs(record: Record) -> bool:
    return bool(record.value["options"][record.value["gt"]] != record.value.get("answer"))
