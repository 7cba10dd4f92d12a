"""`hermes ask`: asks one question and prints the answer as it streams."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from hermes.client import Answer, AnswerStream
from hermes.errors import HermesError
from services.cli.connection import DEFAULT_GATEWAY, Gateway, TokenFile, open_client
from services.cli.output import answer_line, err, out
from services.cli.progress import waiting

LONGEST_S = 86_400.0


def ask(
    camera: Annotated[str, typer.Argument(help="Id of the camera.")],
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    gateway: Gateway = DEFAULT_GATEWAY,
    token_file: TokenFile = None,
    max_tokens: Annotated[
        int, typer.Option(min=0, help="Tokens of the longest answer; 0: the worker's limit.")
    ] = 0,
    cached: Annotated[
        bool,
        typer.Option("--cached", help="Answer at once, without waiting for the latest frames."),
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.001, max=LONGEST_S, help="Seconds for the whole answer.")
    ] = 60.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line: each delta, then the result.")
    ] = False,
) -> None:
    """Ask a camera a question. The answer streams as it is written."""
    with open_client(gateway, token_file) as client:
        stream = client.ask(
            camera,
            question,
            max_tokens=max_tokens,
            freshness="cached" if cached else "latest",
            timeout=timeout,
        )
        if as_json:
            _print_json(stream)
        else:
            print_answer(stream)


def print_answer(stream: AnswerStream) -> Answer:
    """Print text on standard output as it arrives, and the figures on standard error."""
    with stream, waiting("waiting for the answer") as over:
        for text in stream:
            over()
            out.out(text, end="", highlight=False)
            out.file.flush()
        answer = stream.result()
    out.out("")
    err.print(f"[dim]{answer_line(answer)}[/]", soft_wrap=True)
    return answer


def _print_json(stream: AnswerStream) -> None:
    try:
        with stream:
            for text in stream:
                print(json.dumps({"delta": text}), flush=True)
            result = stream.result()
        print(json.dumps({"complete": asdict(result)}, default=lambda value: value.isoformat()))
    except HermesError as error:
        print(json.dumps({"error": {"reason": error.reason, "message": str(error)}}), flush=True)
        sys.exit(1)
