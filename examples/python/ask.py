#!/usr/bin/env python3
"""Ask HERMES Live a question and print the answer as it is written.

python examples/python/ask.py ADDRESS CAMERA QUESTION
"""

from __future__ import annotations

import os
import sys
import time

from hermes.client import Answer, HermesClient
from hermes.errors import HermesError, Retryable

ATTEMPTS = 5
USAGE = """\
usage: python examples/python/ask.py ADDRESS CAMERA QUESTION
e.g.   python examples/python/ask.py 127.0.0.1:50051 lobby "Is the door open?\""""


def ask(client: HermesClient, camera: str, question: str) -> Answer:
    """Print the answer piece by piece. A question that was refused for now is asked again."""
    for attempt in range(1, ATTEMPTS + 1):
        written = False
        try:
            # Leaving the block early, e.g. by Ctrl-C, stops the work on the server as well.
            with client.ask(camera, question) as stream:
                for text in stream:
                    print(text, end="", flush=True)
                    written = True
                return stream.result()
        except Retryable as error:
            if written or attempt == ATTEMPTS:  # a second answer would repeat words
                raise
            time.sleep(error.retry_after_s)
    raise AssertionError("every attempt returns or raises")


def summary(answer: Answer) -> str:
    """One line: how long the answer took, and what the memory could know."""
    coverage = answer.coverage
    line = f"{answer.model}: {answer.answer_tokens} tokens, {answer.finish_reason}"
    first_token_s = answer.timings.gateway_time_to_first_token_s
    if first_token_s is not None:
        line += f"; first token {first_token_s * 1000:.1f} ms"
    if coverage.span is not None:
        line += f"; seen since {coverage.span.start:%Y-%m-%d %H:%M:%S} UTC"
    return f"{line}; {len(coverage.gaps)} gaps"


def main() -> int:
    """Exit status: 0 answered, 1 not answered, 2 wrong usage."""
    if len(sys.argv) != 4:
        print(USAGE, file=sys.stderr)
        return 2
    address, camera, question = sys.argv[1:]
    token = os.environ.get("HERMES_TOKEN") or None
    with HermesClient(address, token=token) as client:
        try:
            answer = ask(client, camera, question)
        except HermesError as error:
            print(f"{error.reason}: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    print(f"\n\n{summary(answer)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
