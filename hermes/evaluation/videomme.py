"""The long videos of Video-MME (arXiv 2405.21075, github.com/BradyFU/Video-MME), without subtitles.

The file has the form of the repository's `evaluation/output_test_template.json`, or one object for
each question, as the rows of the data set on the Hugging Face hub.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput
from hermes.evaluation.item import Item, Reply, Video, without_letter
from hermes.evaluation.records import Record, digest_of, find_data, find_video, records_of

_FILES = ("videomme.json", "video_mme.json", "Video-MME.json", "output_test_template.json")
_LONG = "long"
_SUFFIXES = (".mp4", ".mkv", ".webm")

_PROMPT = """\
Select the best answer to the following multiple-choice question based on the video. Respond with\
 only the letter (A, B, C, or D) of the correct option.
{}
{}
The best answer is:"""


class VideoMmeLong:
    """The annotations of a folder, and the videos that they name. All is asked at a video's end."""

    name = "videomme-long"
    max_tokens = 32

    def __init__(self, folder: Path, tasks: Sequence[str] = (), videos: Path | None = None) -> None:
        """`tasks`: types of tasks to take, such as `Counting Problem`; by default all."""
        file = find_data(folder, _FILES, "annotations")
        self._folders = [videos] if videos else [folder, folder / "data"]
        self.notes: list[str] = []
        self._entries: dict[str, dict[str, Any]] = {}
        self._places: dict[str, Path | None] = {}
        self._items: dict[str, list[Item]] = {}
        shorter = 0
        for record in records_of(file):
            if record.text("duration") != _LONG:
                shorter += 1
                continue
            self._read(record, tasks)
        if shorter:
            self.notes.append(f"{shorter} records of short and medium videos are left out")
        if not self._items:
            raise InvalidInput("data", f"{file} has no question about a long video")
        self.digest = digest_of([file])

    @property
    def videos(self) -> list[Video]:
        """In the order of their first question."""
        return [Video(name, self._places[name], tuple(own)) for name, own in self._items.items()]

    def _read(self, record: Record, tasks: Sequence[str]) -> None:
        name = record.text("video_id")
        rows = record.records("questions") if record.has("questions") else [record]
        for asked in rows:
            task = asked.text("task_type")
            if tasks and task not in tasks:
                continue
            options = asked.texts("options", least=2)
            gold = asked.text("answer").strip()
            if len(gold) != 1 or not 0 <= ord(gold) - ord("A") < len(options):
                raise asked.wrong("answer", f"must be the letter of an option, not {gold!r}")
            item = Item(
                key=asked.text("question_id"),
                task=task,
                group=record.text("domain"),
                question=asked.text("question"),
                prompt=_PROMPT.format(asked.text("question"), "\n".join(options)),
                gold=gold,
                rule="first-letter",
                at_s=math.inf,
                options=tuple(without_letter(text, n) for n, text in enumerate(options)),
            )
            self._items.setdefault(name, []).append(item)
            self._places.setdefault(name, self._place(record))
            entry = self._entries.setdefault(
                name,
                {
                    "video_id": name,
                    "duration": _LONG,
                    "domain": item.group,
                    "sub_category": record.text("sub_category", ""),
                    "questions": [],
                },
            )
            entry["questions"].append(
                {
                    "question_id": item.key,
                    "task_type": task,
                    "question": item.question,
                    "options": list(options),
                    "answer": gold,
                }
            )

    def _place(self, record: Record) -> Path | None:
        """Files are named by the video's number, or by its id on the site that it comes from."""
        for field in ("videoID", "video_id"):
            if record.has(field):
                for suffix in _SUFFIXES:
                    found = find_video(f"{record.text(field)}{suffix}", self._folders)
                    if found is not None:
                        return found
        return None

    def submission(self, model: str, replies: Mapping[str, Reply]) -> dict[str, Any]:
        """The template with the answers in it, as the leaderboard takes it."""
        filled = []
        for entry in self._entries.values():
            questions = []
            for question in entry["questions"]:
                reply = replies.get(question["question_id"])
                said = "" if reply is None else reply.text or ""
                questions.append({**question, "response": said})
            filled.append({**entry, "questions": questions})
        return {f"videomme_long_{model}.json": filled}
