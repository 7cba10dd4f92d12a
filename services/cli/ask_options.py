"""The options of `hermes ask` that say more than a plain question does."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from hermes.client import Sampling
from hermes.errors import InvalidInput

WHEN, FORM, DECODING = (
    "When",
    "What the answer looks like, and rests on",
    "How its words are chosen",
)

Last = Annotated[
    str | None,
    typer.Option(rich_help_panel=WHEN, help="Only the last 30s, 10m, 1h30m or 2d."),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        rich_help_panel=WHEN,
        help="Only from then on: 14:00 in your time zone, or ISO 8601.",
    ),
]
To = Annotated[str | None, typer.Option("--to", rich_help_panel=WHEN, help="Only until then.")]
MediaFrom = Annotated[
    str | None,
    typer.Option(
        "--media-from", rich_help_panel=WHEN, help="Of a file: only from this position on, 1:20."
    ),
]
MediaTo = Annotated[
    str | None,
    typer.Option("--media-to", rich_help_panel=WHEN, help="Of a file: only until this position."),
]
Choices = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,...",
        rich_help_panel=FORM,
        help="One of these texts, each with its probability.",
    ),
]
YesNo = Annotated[
    bool, typer.Option("--yes-no", rich_help_panel=FORM, help="Short for --choices yes,no.")
]
Schema = Annotated[
    Path | None,
    typer.Option(
        rich_help_panel=FORM,
        allow_dash=True,
        help="JSON that keeps the JSON Schema in this file; - reads it from standard input.",
    ),
]
Regex = Annotated[
    str | None,
    typer.Option(rich_help_panel=FORM, help="A text that matches this regular expression."),
]
EvidenceFrames = Annotated[
    int,
    typer.Option(
        "--evidence",
        min=0,
        rich_help_panel=FORM,
        help="Name up to this many frames on which the answer rests.",
    ),
]
EvidenceDir = Annotated[
    Path | None,
    typer.Option(
        "--evidence-dir",
        file_okay=False,
        rich_help_panel=FORM,
        help="Write the pictures of these frames into this folder.",
    ),
]
Temperature = Annotated[
    float,
    typer.Option(min=0, rich_help_panel=DECODING, help="Draw words; 0: always the likeliest."),
]
TopP = Annotated[
    float,
    typer.Option(rich_help_panel=DECODING, help="Draw from the likeliest of this probability."),
]
TopK = Annotated[
    int,
    typer.Option(min=0, rich_help_panel=DECODING, help="Draw from this many tokens; 0: from all."),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, rich_help_panel=DECODING, help="The same seed draws the same words."),
]
RepetitionPenalty = Annotated[
    float | None,
    typer.Option(rich_help_panel=DECODING, help="1 is none; by default the model's own."),
]
Stop = Annotated[
    list[str] | None,
    typer.Option(rich_help_panel=DECODING, help="End the answer before this text; repeatable."),
]
Logprobs = Annotated[
    bool,
    typer.Option("--logprobs", rich_help_panel=DECODING, help="Show each token's log-probability."),
]


def check_forms(choices: str | None, yes_no: bool, schema: Path | None, regex: str | None) -> None:
    """Raises `InvalidInput` if an answer could not look like all that is asked for."""
    flags = {
        "--choices": choices is not None,
        "--yes-no": yes_no,
        "--schema": schema is not None,
        "--regex": regex is not None,
    }
    given = [name for name, is_given in flags.items() if is_given]
    if len(given) > 1:
        raise InvalidInput(given[0], f"cannot be combined with {given[1]}")


def choices_of(text: str | None) -> list[str]:
    """The texts of `--choices`: `yes,no`, or `"red, or so",blue`. Raises `InvalidInput`."""
    if text is None:
        return []
    (texts,) = csv.reader([text.replace("\n", " ")], skipinitialspace=True)
    if not all(texts) or len(texts) < 2:
        raise InvalidInput("--choices", f"{text!r} needs two texts or more, with commas between")
    return [choice.strip() for choice in texts]


def schema_of(path: Path | None) -> str | None:
    """The text of `--schema`. Raises `InvalidInput` if it cannot be read."""
    if path is None:
        return None
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("--schema", f"{path} is no UTF-8 text") from None
    except OSError as error:
        raise InvalidInput("--schema", f"{path} cannot be read: {error.strerror}") from None


def sampling_of(
    temperature: float,
    top_p: float,
    top_k: int,
    seed: int | None,
    repetition_penalty: float | None,
    stop: list[str] | None,
    logprobs: bool,
) -> Sampling | None:
    """How tokens are chosen; None if nothing is asked for. Raises `InvalidInput`."""
    try:
        made = Sampling(
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            seed=seed,
            repetition_penalty=repetition_penalty,
            stop=tuple(stop or ()),
            logprobs=logprobs,
        )
    except InvalidInput as error:
        raise InvalidInput(f"--{error.field.replace('_', '-')}", error.message) from None
    return None if made == Sampling() else made
