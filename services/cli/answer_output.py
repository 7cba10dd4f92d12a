"""An answer on standard output, and what there is to say about it on standard error."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from hermes.client import Answer, AnswerStream
from hermes.errors import HermesError
from services.cli.answer_details import details_of
from services.cli.answer_json import plain_values
from services.cli.evidence import evidence_values, write_pictures
from services.cli.output import answer_line, err, out
from services.cli.progress import waiting


def print_answer(stream: AnswerStream, *, camera: str = "", folder: Path | None = None) -> Answer:
    """Print text on standard output as it arrives, and the rest on standard error.

    `camera`: with it the id of the answer is shown. `folder`: where the pictures of its
    evidence are written, named after the camera.
    """
    begun = False
    try:
        with stream, waiting("waiting for the answer") as over:
            for text in stream:
                over()
                out.out(text, end="", highlight=False)
                out.file.flush()
                begun = True
            answer = stream.result()
    except HermesError:
        if begun:  # the error gets a line of its own
            out.out("")
        raise
    out.out("")
    for detail in details_of(answer, datetime.now(UTC), err.width, plain=err.options.ascii_only):
        err.print(detail, soft_wrap=not err.is_terminal)
    for path in _written(answer, camera, folder).values():
        err.print(f"written: {path}", markup=False, soft_wrap=True)
    err.print(f"[dim]{answer_line(answer, with_id=bool(camera))}[/]", soft_wrap=True)
    return answer


def print_json(stream: AnswerStream, camera: str, folder: Path | None) -> None:
    """Print one JSON object a line: each delta, then the result or the error."""
    try:
        with stream:
            for text in stream:
                print(json.dumps({"delta": text}), flush=True)
            result = stream.result()
    except HermesError as error:
        print(json.dumps({"error": {"reason": error.reason, "message": str(error)}}), flush=True)
        sys.exit(1)
    values = plain_values(result)
    if result.evidence is not None:
        values["evidence"] = evidence_values(result.evidence, _written(result, camera, folder))
    print(json.dumps({"complete": values}))


def _written(answer: Answer, camera: str, folder: Path | None) -> dict[int, Path]:
    if folder is None or answer.evidence is None:
        return {}
    return write_pictures(answer.evidence, camera, folder)
