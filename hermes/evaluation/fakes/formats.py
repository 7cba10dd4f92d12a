"""Worlds as the files and folders of each benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hermes.demo.drawing import draw
from hermes.demo.questions import NUMBERS, named
from hermes.evaluation.fakes.world import Asked, FakeWorld
from hermes.evaluation.film import film
from hermes.evaluation.stamps import stamp_of

SIZE = 128
"""Width and height of the videos, in pixels."""

QUESTIONS = 5
"""About each video."""

_QUALITY = 14
_TASKS = {
    "colour-now": "Attribute Recognition",
    "shape-now": "Object Recognition",
    "count-now": "Counting",
    "sign-now": "Text-Rich Understanding",
    "last": "Action Recognition",
    "first": "Event Understanding",
    "colour-past": "Causal Reasoning",
    "sign-past": "Clips Summarize",
}
_OVO_TASKS = {
    "first": "EPM",
    "colour-past": "EPM",
    "last": "ASI",
    "sign-past": "HLD",
    "sign-now": "OCR",
    "colour-now": "ATR",
    "shape-now": "OJR",
    "count-now": "STU",
}


def make_fake(benchmark: str, folder: Path, videos: int, seconds: int, seed: int) -> Path:
    """Write data of a benchmark into a folder (made if missing), and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    worlds = [FakeWorld.make(f"{benchmark}-{number}", seed, seconds) for number in range(videos)]
    FORMATS[benchmark](folder, worlds)
    return folder


def _streamingbench(folder: Path, worlds: Sequence[FakeWorld]) -> None:
    """Real-time, sequential and proactive questions."""
    real: list[Any] = []
    sequential: list[Any] = []
    proactive: list[Any] = []
    (folder / "videos").mkdir(exist_ok=True)
    for number, world in enumerate(worlds, 1):
        path = f"./videos/sample_{number}_real.mp4"
        _film(world, folder / path)
        asked = world.questions(QUESTIONS)
        real += [_entry(path, one.at_s, [_choice(one, lettered=True)]) for one in asked]
        if number == 1:
            sequential.append(
                [_entry(path, one.at_s, [_choice(one, lettered=False)]) for one in asked]
            )
        since, sign = world.scene.sign[-1]
        right = max(2, int(since) + 1)
        output = NUMBERS[sign]
        question = {
            "task_type": "Proactive Output",
            "question": f'When the sign shows {output}, output "{output}".',
            "time_stamp": stamp_of(max(0, right - 5)),
            "ground_truth_time_stamp": stamp_of(right),
            "ground_truth_output": output,
            "required_ability": "working memory",
        }
        proactive.append(_entry(path, right, [question]))
    _write(folder / "questions_real.json", real)
    _write(folder / "questions_sqa.json", sequential)
    _write(folder / "questions_proactive.json", proactive)


def _entry(path: str, at_s: int, questions: list[dict[str, Any]]) -> dict[str, Any]:
    before = f"[{stamp_of(max(0, at_s - 10))} - {stamp_of(at_s)}]"
    return {
        "time": before,
        "questions": questions,
        "video_categories": "little_worlds",
        "video_path": path,
    }


def _choice(asked: Asked, *, lettered: bool) -> dict[str, Any]:
    return {
        "task_type": _TASKS[asked.kind] if lettered else "Sequential Question Answering",
        "question": asked.text,
        "time_stamp": stamp_of(asked.at_s),
        "answer": asked.letter,
        "options": _lettered(asked) if lettered else list(asked.options),
        "required_ability": "episodic memory",
        "evidence_s": max(0.0, asked.evidence_s),
    }


def _ovobench(folder: Path, worlds: Sequence[FakeWorld]) -> None:
    """All three categories."""
    found: list[dict[str, Any]] = []
    (folder / "src_videos" / "worlds").mkdir(parents=True, exist_ok=True)
    for number, world in enumerate(worlds):
        video = f"worlds/{number}.mp4"
        _film(world, folder / "src_videos" / video)
        for kind, task in _OVO_TASKS.items():
            asked = world.ask([kind], world.settled(world.seconds))
            if asked is not None:
                found.append(
                    {
                        "id": len(found),
                        "task": task,
                        "video": video,
                        "realtime": asked.at_s,
                        "question": asked.text,
                        "answer": asked.answer,
                        "options": list(asked.options),
                        "gt": asked.right,
                    }
                )
        found += _forward(world, video, len(found))
    _write(folder / "ovo_bench_new.json", found)


def _forward(world: FakeWorld, video: str, first: int) -> list[dict[str, Any]]:
    times = [world.settled(world.seconds * part // 3) for part in (1, 2, 3)]
    actor = world.scene.actors[0]
    step = f"{named(actor.look)} is in the picture"
    there = [int(actor.position(at - 1) is not None) for at in times]
    came = [len(world.scene.came_by(at - 1)) for at in times]
    enters = max(1, round(actor.enters) + 1)
    return [
        {
            "id": first,
            "task": "REC",
            "video": video,
            "activity": "come in",
            "start_times": [round(one.enters) for one in world.scene.actors],
            "end_times": [round(one.leaves) for one in world.scene.actors],
            "test_info": [
                {"realtime": at, "count": count} for at, count in zip(times, came, strict=True)
            ],
        },
        {
            "id": first + 1,
            "task": "SSR",
            "video": video,
            "tutorial": "a world",
            "all_steps": [step],
            "start_time": [round(actor.enters)],
            "end_time": [round(actor.leaves)],
            "test_info": [
                {"realtime": at, "step": step, "type": kind}
                for at, kind in zip(times, there, strict=True)
            ],
        },
        {
            "id": first + 2,
            "task": "CRR",
            "video": video,
            "question": "What came first?",
            "answer": named(actor.look),
            "ask_time": 1,
            "clue_time": enters,
            "test_info": [
                {"realtime": at, "type": int(bool(world.scene.came_by(at - 1)))} for at in times
            ],
        },
    ]


def _rvs(folder: Path, worlds: Sequence[FakeWorld]) -> None:
    """Ego: arrays of pictures, one a second. Movie: files."""
    for task, name in (("ego", "ego4d_oe.json"), ("movie", "movienet_oe.json")):
        found = []
        (folder / task / "videos").mkdir(parents=True, exist_ok=True)
        for number, world in enumerate(worlds):
            suffix = "npy" if task == "ego" else "mp4"
            path = folder / task / "videos" / f"{number}.{suffix}"
            if task == "ego":
                seconds = range(world.seconds)
                pictures = [np.asarray(draw(world.scene, at, SIZE)) for at in seconds]
                np.save(path, np.stack(pictures))
            else:
                _film(world, path)
            asked = sorted(world.questions(QUESTIONS), key=lambda one: one.at_s)
            found.append(
                {
                    "video_id": str(number),
                    "video_path": str(path.relative_to(folder)),
                    "duration": world.seconds,
                    "conversations": [
                        {
                            "question": one.text,
                            "answer": one.answer,
                            "start_time": max(0.0, one.evidence_s - 5),
                            "end_time": one.at_s,
                        }
                        for one in asked
                    ],
                }
            )
        _write(folder / task / name, found)


def _videomme(folder: Path, worlds: Sequence[FakeWorld]) -> None:
    found = []
    (folder / "videos").mkdir(exist_ok=True)
    for number, world in enumerate(worlds, 601):
        _film(world, folder / "videos" / f"{number}.mp4")
        questions: list[dict[str, Any]] = []
        for asked in world.questions(3, at_the_end=True):
            questions.append(
                {
                    "question_id": f"{number}-{len(questions) + 1}",
                    "task_type": _TASKS[asked.kind],
                    "question": asked.text,
                    "options": _lettered(asked),
                    "answer": asked.letter,
                }
            )
        found.append(
            {
                "video_id": str(number),
                "duration": "long",
                "domain": "Knowledge",
                "sub_category": "Little worlds",
                "questions": questions,
            }
        )
    _write(folder / "videomme.json", found)


def _own(folder: Path, worlds: Sequence[FakeWorld]) -> None:
    lines = []
    (folder / "clips").mkdir(exist_ok=True)
    for number, world in enumerate(worlds):
        _film(world, folder / "clips" / f"{number}.mp4")
        for asked in world.questions(QUESTIONS):
            line: dict[str, Any] = {
                "video": f"{number}.mp4",
                "at": asked.at_s,
                "question": asked.text,
                "answer": asked.answer,
                "evidence": max(0.0, asked.evidence_s),
                "task": asked.kind,
            }
            if asked.kind != "count-now":
                line["choices"] = list(asked.options)
            lines.append(json.dumps(line))
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n")


def _film(world: FakeWorld, path: Path) -> None:
    film(world.scene, path, SIZE, rate=1, quality=_QUALITY)


def _lettered(asked: Asked) -> list[str]:
    return [f"{chr(ord('A') + number)}. {text}" for number, text in enumerate(asked.options)]


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=4, ensure_ascii=False) + "\n")


FORMATS: dict[str, Callable[[Path, Sequence[FakeWorld]], None]] = {
    "streamingbench": _streamingbench,
    "ovobench": _ovobench,
    "rvs": _rvs,
    "videomme-long": _videomme,
    "own": _own,
}
"""What can be made, by the name of the benchmark."""
