"""Another model judges free answers: any endpoint that speaks OpenAI's chat completions.

Its raw verdicts go to a file of their own, so that they can be read again, and so that another
judge can judge the same answers without the video model.
"""

from __future__ import annotations

import ast
import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput, Unavailable
from hermes.evaluation.answer import Answer
from hermes.evaluation.records import read_lines

PROMPT = """\
You compare a predicted answer to a question about a video with the correct answer.

Question: {question}
Correct answer: {answer}
Predicted answer: {predicted}

Decide whether the predicted answer means the same as the correct one; synonyms and paraphrases do.
Reply with a Python dictionary alone, such as {{'pred': 'yes', 'score': 4}}: pred is 'yes' or 'no',
score is a whole number from 0 (nothing in common) to 5 (the same meaning).
"""
"""Our own words for what ReKV's evaluation (after Video-ChatGPT, arXiv 2306.05424) asks its judge,
with the same reply.
"""

FIELDS = ("question", "answer", "predicted")
_MARK = ".judged-"
MAX_TOKENS = 300
MOST_BYTES = 1 << 20
TRIES = 5
PAUSE_S = 1.0
TIMEOUT_S = 120.0

Post = Callable[[dict[str, Any]], str]
"""Sends a request to the judge; the text that it replies."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said about an answer. `right`, `score`: None if that cannot be read."""

    policy: str
    budget: int
    key: str
    raw: str
    right: bool | None
    score: int | None

    @property
    def place(self) -> tuple[str, int, str]:
        """Whose answer to what."""
        return self.policy, self.budget, self.key


@dataclass(frozen=True, slots=True)
class Judge:
    """A model behind an endpoint. `prompt`: with the places `FIELDS`."""

    model: str
    post: Post
    prompt: str = PROMPT

    def __post_init__(self) -> None:
        try:
            self.prompt.format(**dict.fromkeys(FIELDS, ""))
        except (KeyError, IndexError, ValueError) as error:
            raise InvalidInput(
                "judge prompt", f"has a place that is none of {', '.join(FIELDS)}: {error}"
            ) from None

    @property
    def header(self) -> dict[str, Any]:
        """What its verdicts depend on."""
        digest = hashlib.sha256(self.prompt.encode()).hexdigest()
        return {"kind": "judge", "model": self.model, "prompt_sha256": digest, "temperature": 0}

    def judge(self, answer: Answer) -> Verdict:
        """Ask about one answer."""
        text = self.prompt.format(
            question=answer.question, answer=answer.gold, predicted=answer.text or ""
        )
        raw = self.post(
            {
                "model": self.model,
                "messages": [{"role": "user", "content": text}],
                "max_tokens": MAX_TOKENS,
                "temperature": 0,
            }
        )
        return Verdict(answer.policy, answer.budget, answer.key, raw, *read_verdict(raw))


def verdicts_path(results: Path, judge: str) -> Path:
    """Where the verdicts of a judge about a results file are kept."""
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in judge)
    return results.with_name(f"{results.stem}{_MARK}{plain}.jsonl")


def is_verdicts(path: Path) -> bool:
    """Whether a file is one of verdicts, by its name."""
    return _MARK in path.name


def judge_all(
    judge: Judge,
    answers: Iterable[Answer],
    path: Path,
    on_progress: Callable[[int, int], None] = lambda done, whole: None,
) -> list[Verdict]:
    """Judge all answers that need it. Verdicts that are in the file already stay as they are.

    Of answers that were never given it is not asked.
    """
    wanted = [answer for answer in answers if answer.rule == "judged" and answer.text is not None]
    found = read_verdicts(path, judge) if path.exists() else {}
    with path.open("a", encoding="utf-8") as file:
        if not file.tell():
            file.write(json.dumps(judge.header) + "\n")
        for number, answer in enumerate(wanted):
            on_progress(number, len(wanted))
            if (*answer.contender, answer.key) in found:
                continue
            verdict = judge.judge(answer)
            found[verdict.place] = verdict
            line = {"policy": verdict.policy, "budget": verdict.budget, "key": verdict.key}
            file.write(json.dumps({**line, "raw": verdict.raw}, ensure_ascii=False) + "\n")
            file.flush()
    on_progress(len(wanted), len(wanted))
    return list(found.values())


def read_verdicts(path: Path, judge: Judge | None = None) -> dict[tuple[str, int, str], Verdict]:
    """The verdicts in a file, read anew from what the judge said. Half a last line is dropped.

    Raises `InvalidInput` if they are of another judge.
    """
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end < len(data):
        with path.open("r+b") as file:
            file.truncate(end)
    found: dict[tuple[str, int, str], Verdict] = {}
    for number, record in enumerate(read_lines(path)):
        if number == 0:
            if judge is not None and record.value != judge.header:
                raise InvalidInput(str(path), "holds verdicts of another judge or another prompt")
            continue
        raw = record.text("raw", "")
        verdict = Verdict(
            record.text("policy"),
            record.index("budget", 1 << 40),
            record.text("key"),
            raw,
            *read_verdict(raw),
        )
        found[verdict.place] = verdict
    return found


def judge_of(path: Path) -> str:
    """The name of the judge whose verdicts a file holds."""
    return next(iter(read_lines(path))).text("model")


def read_verdict(raw: str) -> tuple[bool | None, int | None]:
    """Whether the judge found an answer right, and its score from 0 to 5."""
    start, end = raw.find("{"), raw.rfind("}") + 1
    text = raw[start:end]
    value: Any = None
    for read in (ast.literal_eval, json.loads):
        try:
            value = read(text)
            break
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    if not isinstance(value, dict):
        return None, None
    said = str(value.get("pred", "")).lower()
    right = True if "yes" in said else False if "no" in said else None
    score = value.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float):
        return right, None
    return right, min(5, max(0, int(score)))


def endpoint(url: str, key: str = "", *, pause_s: float = PAUSE_S) -> Post:
    """An endpoint by its base URL (`https://host/v1`). `key`: sent as a bearer token, kept nowhere.

    What may pass (too many requests, a server's fault) is tried again. Raises `Unavailable`.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidInput("judge", f"{url!r} is no http or https URL")
    address = f"{url.rstrip('/')}/chat/completions"

    def post(body: dict[str, Any]) -> str:
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)  # noqa: S310
        reason = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(pause_s * 2 ** (attempt - 1))
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310
                    found = json.loads(reply.read(MOST_BYTES))
                    return str(found["choices"][0]["message"]["content"] or "")
            except urllib.error.HTTPError as error:
                reason = f"HTTP {error.code}"
                if error.code < 500 and error.code != 429:
                    break
            except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
                reason = f"{type(error).__name__}: {error}"
        raise Unavailable(f"the judge at {address} does not answer: {reason}")

    return post
