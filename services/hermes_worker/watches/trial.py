"""A watch that is asked once, and opens nothing."""

from __future__ import annotations

from dataclasses import replace

from hermes.engine import AnswerResult
from hermes.errors import InvalidInput
from hermes.question import Question
from hermes.v1.watch_pb2 import Evaluation, Watch
from services.hermes_worker.watches.asking import NoReading, question_of, reading_of
from services.hermes_worker.watches.conditions import Reading, Verdict
from services.hermes_worker.watches.rules import trigger_of
from services.hermes_worker.watches.trigger import State, Trigger


def trial_question(watch: Watch, evidence: int, most_tokens: int) -> Question:
    """What the watch asks. `evidence`: how many frames to name; `most_tokens`: of an answer."""
    return replace(question_of(watch, most_tokens), evidence=evidence)


def evaluation_of(watch: Watch, text: str, result: AnswerResult) -> Evaluation:
    """What the answer says. Raises `InvalidInput` for a number beyond the watch's limits."""
    message = Evaluation(answer=text.strip())
    message.captured.FromMilliseconds(result.coverage.end_ms or 0)
    if watch.WhichOneof("form") == "diary":
        return message
    try:
        reading = reading_of(watch, text, result, None)
    except NoReading as why:
        raise InvalidInput("watch.number", f"the answer {text.strip()!r} {why}") from None
    message.value = reading.value
    message.answer = reading.answer or text.strip()
    for choice in result.choices:
        message.choices.add(
            text=choice.text,
            probability=choice.probability,
            logprob=choice.logprob,
            tokens=choice.tokens,
        )
    message.holds = _holds(watch, reading)
    return message


def _holds(watch: Watch, reading: Reading) -> bool:
    """Whether the condition holds by this reading alone: never, for what must be compared."""
    trigger = trigger_of(watch, State(), str)
    if not isinstance(trigger, Trigger) or trigger.rules.rate_ms:
        return False
    value = trigger.condition.value(reading)
    return trigger.condition.judge(value) is Verdict.HOLDS
