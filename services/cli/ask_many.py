"""`hermes ask --label` and `--cameras`: what many cameras say, each as it comes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from hermes.client import (
    Answer,
    CameraAnswered,
    CameraDelta,
    CameraFailed,
    ManyAnswers,
    ManyResult,
    ranked,
)
from hermes.client.many import MERGED
from hermes.errors import HermesError, InvalidInput, Retryable
from services.cli.answer_details import details_of
from services.cli.answer_json import plain_values
from services.cli.evidence import evidence_values, write_pictures
from services.cli.figures import milliseconds
from services.cli.output import err, out
from services.cli.progress import waiting

MANY = "Many cameras"
MOST_BAR, LEAST_BAR = 30, 4  # columns
MOST_OF_ID = 0.4
"""Of the terminal's width; the text of a longer id begins on the next line."""
PERCENT = 6  # columns
SPACE = "  "

Label = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        "-l",
        rich_help_panel=MANY,
        help="Ask every camera that this selects, e.g. site=dock; repeatable. QUESTION comes"
        " alone.",
    ),
]
Cameras = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,...", rich_help_panel=MANY, help="Ask these cameras. QUESTION comes alone."
    ),
]
Merge = Annotated[
    bool,
    typer.Option("--merge", rich_help_panel=MANY, help="Then write one answer made of all."),
]


def several(
    labels: list[str] | None, cameras: str | None, first: str | None, second: str | None
) -> tuple[list[str], str, str] | None:
    """Ids, selector and question, if several cameras are meant. Raises `InvalidInput`.

    `first`, `second`: the arguments, of which the first then is the question.
    """
    if not labels and cameras is None:
        return None
    if labels and cameras is not None:
        raise InvalidInput("--cameras", "cannot be combined with --label")
    if first is None:
        raise InvalidInput("QUESTION", "is missing")
    if second is not None:
        raise InvalidInput(
            "CAMERA", f"{first!r} is one too many: --label and --cameras say which are asked"
        )
    ids = [id_.strip() for id_ in (cameras or "").split(",") if id_.strip()]
    if cameras is not None and not ids:
        raise InvalidInput("--cameras", "names no camera: write ids with commas between")
    return ids, ",".join(labels or ()), first


def check(
    many: tuple[list[str], str, str] | None, camera: str | None, *, merge: bool, interactive: bool
) -> None:
    """Whether what is asked fits one camera, or several. Raises `InvalidInput`."""
    if many is None and merge:
        raise InvalidInput("--merge", "needs several cameras: --label or --cameras")
    if many is None and camera is None:
        raise InvalidInput("CAMERA", "is missing; --label or --cameras ask several")
    if many is not None and interactive:
        raise InvalidInput("--interactive", "is about one camera")


def show(stream: ManyAnswers, folder: Path | None, *, as_json: bool) -> None:
    """Print what comes, and exit with 1 if no camera answers."""
    if not (print_many_json if as_json else print_many)(stream, folder):
        sys.exit(1)


def print_many(stream: ManyAnswers, folder: Path | None) -> bool:
    """Print each answer as it ends: texts on standard output, the rest on standard error.

    `folder`: where the pictures of the evidence are written. Returns whether any
    camera answered.
    """
    with stream, waiting("waiting for the cameras") as over:
        cards = _Cards(stream.camera_ids)
        for event in stream:
            if isinstance(event, CameraDelta) and event.camera_id != MERGED:
                continue
            over()
            cards.show(event, folder)
        result = stream.result()
    for line in _ranking(result.answers):
        out.print(line, soft_wrap=not out.is_terminal)
    err.print(f"[dim]{_summary(result)}[/]", soft_wrap=True)
    return bool(result.answers)


def print_many_json(stream: ManyAnswers, folder: Path | None) -> bool:
    """Print one JSON object a line, each with the id of its camera; empty: of the merged answer."""
    try:
        with stream:
            _print({"cameras": list(stream.camera_ids)})
            for event in stream:
                match event:
                    case CameraDelta(camera_id, text):
                        _print({"camera_id": camera_id, "delta": text})
                    case CameraFailed(camera_id, error):
                        _print({"camera_id": camera_id, "error": _values(error)})
                    case CameraAnswered(camera_id, answer):
                        values = plain_values(answer)
                        if answer.evidence is not None:
                            files = _written(answer, camera_id, folder)
                            values["evidence"] = evidence_values(answer.evidence, files)
                        _print({"camera_id": camera_id, "complete": values})
            return bool(stream.result().answers)
    except HermesError as error:
        _print({"error": _values(error)})
        return False


class _Cards:
    """One card for each camera: its id, and beside it what it says."""

    def __init__(self, camera_ids: Sequence[str]) -> None:
        most = int(MOST_OF_ID * out.width)
        self._ids = max((len(id_) for id_ in camera_ids if len(id_) <= most), default=most)
        self._merging = False

    def show(self, event: CameraDelta | CameraAnswered | CameraFailed, folder: Path | None) -> None:
        match event:
            case CameraDelta(_, text):
                self._merged(text)
            case CameraFailed(camera_id, error):
                who = camera_id or "no merged answer"
                err.print(Text(f"{who}: {_told(error)}", "red"), soft_wrap=not err.is_terminal)
            case CameraAnswered(camera_id, answer) if camera_id == MERGED:
                self._merged("")
                out.out("")
                if answer.shortened_answers:
                    count = answer.shortened_answers
                    what = "answer was" if count == 1 else "answers were"
                    err.print(f"[yellow]{count} {what} cut to fit, or left out[/]", soft_wrap=True)
            case CameraAnswered(camera_id, answer):
                self._answer(camera_id, answer, folder)

    def _merged(self, text: str) -> None:
        if not self._merging:
            self._merging = True
            out.out("")
        out.out(text, end="", highlight=False)
        out.file.flush()

    def _answer(self, camera_id: str, answer: Answer, folder: Path | None) -> None:
        text = _one_line(answer)
        if not out.is_terminal:
            out.print(f"{camera_id}{SPACE}{text}", markup=False, soft_wrap=True)
        else:
            card = Table.grid(padding=(0, len(SPACE), 0, 0))
            if len(camera_id) > self._ids:
                out.print(Text(camera_id, "bold"), soft_wrap=True)
                camera_id = ""
            card.add_column(width=self._ids)
            card.add_column(overflow="fold")
            card.add_row(Text(camera_id, "bold"), Text(text))
            out.print(card)
        now, plain = datetime.now(UTC), replace(answer, choices=())
        for detail in details_of(plain, now, err.width, plain=err.options.ascii_only):
            told = Text.assemble((f"{camera_id}: ", "dim"), detail)  # type: ignore[arg-type]
            err.print(told, soft_wrap=not err.is_terminal)
        for path in _written(answer, camera_id, folder).values():
            err.print(f"written: {path}", markup=False, soft_wrap=True)


def _one_line(answer: Answer) -> str:
    """The text, with its probability if it is a choice. Without a terminal, it has one line."""
    text = answer.text.strip() if out.is_terminal else " ".join(answer.text.split())
    likeliest = max((choice.probability for choice in answer.choices), default=None)
    return text if likeliest is None else f"{text}{SPACE}{_percent(likeliest)}"


def _ranking(answers: Mapping[str, Answer]) -> Iterator[Table | Text]:
    """Cameras by the probability of the choices, if there is more than one camera with choices."""
    with_choices = {id_: answer for id_, answer in answers.items() if answer.choices}
    if len(with_choices) < 2:
        return
    texts = [choice.text for choice in next(iter(with_choices.values())).choices]
    if len(texts) == 2:
        yield Text(f"\n{texts[0]}, most likely first", "bold")
        yield _bars(ranked(with_choices, texts[0]))
        return
    yield Text("\nlikeliest choice, by camera", "bold")
    for text in texts:
        own = [
            f"{id_} {_percent(probability)}"
            for id_, probability in ranked(with_choices, text)
            if with_choices[id_].text == text
        ]
        if own:
            yield Text(f"{text}: {', '.join(own)}")


def _bars(places: Sequence[tuple[str, float]]) -> Table:
    longest = max(len(camera_id) for camera_id, _ in places)
    width = out.width - PERCENT - 2
    bar = max(LEAST_BAR, min(MOST_BAR, width - longest))
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(1, width - bar))
    if out.is_terminal:
        table.add_column(no_wrap=True, width=bar, style="cyan")
    table.add_column(no_wrap=True, justify="right")
    mark = "#" if out.options.ascii_only else "█"
    for camera_id, probability in places:
        drawn = [mark * round(probability * bar)] if out.is_terminal else []
        table.add_row(Text(camera_id), *drawn, _percent(probability))
    return table


def _summary(result: ManyResult) -> str:
    asked = len(result.answers) + len(result.errors)
    totals = [answer.timings.total_s for answer in result.answers.values()]
    slowest = max((total for total in totals if total is not None), default=None)
    within = "" if slowest is None else f" within {milliseconds(slowest)}"
    return f"{len(result.answers)} of {asked} cameras answered{within}"


def _told(error: HermesError) -> str:
    if isinstance(error, Retryable):
        return f"{error} (ask again in {error.retry_after_s:g} s)"
    return str(error)


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f}%"


def _values(error: HermesError) -> dict[str, object]:
    again = {"retry_after_s": error.retry_after_s} if isinstance(error, Retryable) else {}
    return {"reason": error.reason, "message": str(error), **again}


def _written(answer: Answer, camera_id: str, folder: Path | None) -> dict[int, Path]:
    if folder is None or answer.evidence is None:
        return {}
    return write_pictures(answer.evidence, camera_id, folder)


def _print(values: dict[str, object]) -> None:
    print(json.dumps(values), flush=True)
