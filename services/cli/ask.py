"""`hermes ask`: asks one question and prints the answer as it streams."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer

from hermes.errors import InvalidInput
from services.cli import ask_many
from services.cli import ask_options as options
from services.cli.answer_output import print_answer, print_json
from services.cli.asked_span import span_of
from services.cli.connection import DEFAULT_GATEWAY, Gateway, TokenFile, open_client
from services.cli.evidence import FRAMES
from services.cli.prompt import converse

LONGEST_S = 86_400.0


def ask(
    camera: Annotated[
        str | None, typer.Argument(help="Id of the camera; left out with --label or --cameras.")
    ] = None,
    question: Annotated[
        str | None, typer.Argument(help="What you want to know. With -i it may be left out.")
    ] = None,
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    interactive: Annotated[
        bool,
        typer.Option("--interactive", "-i", help="Go on asking; earlier turns are sent along."),
    ] = False,
    max_tokens: Annotated[
        int, typer.Option(min=0, help="Tokens of the longest answer; 0: the worker's limit.")
    ] = 0,
    cached: Annotated[
        bool,
        typer.Option("--cached", help="Answer at once, without waiting for the latest frames."),
    ] = False,
    labels: ask_many.Label = None,
    cameras: ask_many.Cameras = None,
    merge: ask_many.Merge = False,
    last: options.Last = None,
    start: options.From = None,
    end: options.To = None,
    media_from: options.MediaFrom = None,
    media_to: options.MediaTo = None,
    choices: options.Choices = None,
    yes_no: options.YesNo = False,
    schema: options.Schema = None,
    regex: options.Regex = None,
    evidence: options.EvidenceFrames = 0,
    folder: options.EvidenceDir = None,
    temperature: options.Temperature = 0.0,
    top_p: options.TopP = 1.0,
    top_k: options.TopK = 0,
    seed: options.Seed = None,
    repetition_penalty: options.RepetitionPenalty = None,
    stop: options.Stop = None,
    logprobs: options.Logprobs = False,
    timeout: Annotated[
        float, typer.Option(min=0.001, max=LONGEST_S, help="Seconds for the whole answer.")
    ] = 60.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line: each delta, then the result.")
    ] = False,
) -> None:
    """Ask a camera a question. The answer streams as it is written.

    The answer goes to standard output, and what there is to say about it to standard error.
    """
    many = ask_many.several(labels, cameras, camera, question)
    ask_many.check(many, camera, merge=merge, interactive=interactive)
    if many is None and question is None and not interactive:
        raise InvalidInput("QUESTION", "is missing; with -i questions are read one after the other")
    if interactive and as_json:
        raise InvalidInput("--json", "cannot be combined with --interactive")
    options.check_forms(choices, yes_no, schema, regex)
    span = span_of(
        last=last,
        start=start,
        end=end,
        media_start=media_from,
        media_end=media_to,
        now=datetime.now(UTC),
    )
    sampling = options.sampling_of(
        temperature, top_p, top_k, seed, repetition_penalty, stop, logprobs
    )
    with open_client(gateway, token_file) as client:
        asked = dict[str, Any](
            max_tokens=max_tokens,
            freshness="cached" if cached else "latest",
            span=span,
            choices=options.choices_of(choices),
            yes_no=yes_no,
            json_schema=options.schema_of(schema),
            regex=regex,
            evidence=evidence or (0 if folder is None else FRAMES),
            evidence_pictures=folder is not None,
            sampling=sampling,
            timeout=timeout,
        )
        if many is not None:
            ids, selector, text = many
            stream = client.ask_many(text, cameras=ids, selector=selector, merge=merge, **asked)
            ask_many.show(stream, folder, as_json=as_json)
            return
        assert camera is not None  # or else several are asked
        show = partial(print_answer, camera=camera, folder=folder)
        if interactive:
            converse(camera, question, partial(client.ask, camera_id=camera, **asked), show)
        elif question is not None and as_json:
            print_json(client.ask(camera, question, **asked), camera, folder)
        elif question is not None:
            show(client.ask(camera, question, **asked))
