"""RVS-Ego and RVS-Movie (from Flash-VStream, arXiv 2406.08085; protocol as in ReKV, 2503.00540).

The files are those of huggingface.co/datasets/Becomebright/RVS; the clips and the form of results
are those of github.com/Becomebright/ReKV as of 2025-03-10.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput
from hermes.evaluation.item import Item, Reply, Video
from hermes.evaluation.records import digest_of, find_data, find_video, records_of

FILES = {"ego": "ego4d_oe.json", "movie": "movienet_oe.json"}


class Rvs:
    """The annotations of a folder, and the videos that they name."""

    name = "rvs"
    max_tokens = 256

    def __init__(self, folder: Path, tasks: Sequence[str] = (), videos: Path | None = None) -> None:
        """`tasks`: some of `FILES`; by default those whose files are there."""
        self._files: dict[str, Path] = {}
        self._places: dict[str, Path | None] = {}
        for task in tasks or FILES:
            if task not in FILES:
                raise InvalidInput("task", f"{task} is unknown; known: {', '.join(FILES)}")
            names = [FILES[task], f"{task}/{FILES[task]}", f"rvs/{task}/{FILES[task]}"]
            try:
                self._files[task] = find_data(folder, names, "annotations")
            except InvalidInput:
                if tasks:
                    raise
        if not self._files:
            find_data(folder, list(FILES.values()), "annotations")
        self.notes: list[str] = []
        self._videos: dict[str, list[Item]] = {}
        self._names: dict[str, str] = {}
        for task, path in self._files.items():
            self._read(task, path, [videos] if videos else [folder, path.parent])
        self.digest = digest_of(self._files.values())

    @property
    def videos(self) -> list[Video]:
        """In the order of the files."""
        return [
            Video(name, self._places[name], tuple(items)) for name, items in self._videos.items()
        ]

    def _read(self, task: str, path: Path, folders: Sequence[Path]) -> None:
        for record in records_of(path):
            name = f"{task}/{record.text('video_id')}"
            if name in self._videos:
                raise record.wrong("video_id", "occurs twice")
            self._places[name] = find_video(record.text("video_path"), folders)
            items = []
            for number, asked in enumerate(record.records("conversations")):
                question = asked.text("question")
                items.append(
                    Item(
                        key=f"{name}/{number}",
                        task=f"RVS-{task.capitalize()}",
                        group=task,
                        question=question,
                        prompt=question,
                        gold=asked.text("answer"),
                        rule="judged",
                        at_s=asked.number("end_time"),
                    )
                )
            if not items:
                raise record.wrong("conversations", "is empty")
            self._videos[name] = items

    def submission(self, model: str, replies: Mapping[str, Reply]) -> dict[str, Any]:
        """A table for each file, as ReKV's `eval_open_ended.py` reads it."""
        made = {}
        for task in self._files:
            text = io.StringIO()
            table = csv.writer(text, lineterminator="\n")
            table.writerow(["video_id", "question", "answer", "pred_answer"])
            for name, items in self._videos.items():
                if not name.startswith(f"{task}/"):
                    continue
                for item in items:
                    reply = replies.get(item.key)
                    said = "" if reply is None else (reply.text or "").replace("\n", "")
                    table.writerow([name.removeprefix(f"{task}/"), item.question, item.gold, said])
            made[f"rvs_{task}_{model}.csv"] = text.getvalue()
        return made
