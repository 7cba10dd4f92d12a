"""Weighing answers: frames are hidden, and the answer is read again, one pass at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from hermes.engine.evidence import Evidence, EvidenceFrame
from hermes.engine.hiding import Hiding
from hermes.engine.mailbox import fail
from hermes.engine.remembered import Given
from hermes.engine.session import Session
from hermes.errors import HermesError, as_hermes_error
from hermes.memory import Branch, FrameStamp
from hermes.vlm import VideoMemory, VideoModel
from hermes.vlm.weighing import logprobs_without

WEIGHED_AT_ONCE = 512
"""The most tokens of one pass, which questions wait for."""


@dataclass(slots=True, eq=False)
class Weighing:
    """An answer that is weighed on a branch of its own, which `close` gives back.

    `wanted`: how many frames to name. `stamps`: of the frames that the branch sees.
    `done`, `failed`: one of them is called at the end, after `close`.
    """

    given: Given
    branch: Branch
    wanted: int
    stamps: Mapping[int, FrameStamp]
    done: Callable[[Evidence], None]
    failed: Callable[[HermesError], None]
    cancelled: threading.Event = field(default_factory=threading.Event)
    hiding: Hiding = field(init=False)

    @classmethod
    def for_future(
        cls,
        given: Given,
        branch: Branch,
        wanted: int,
        memory: VideoMemory,
        future: Future[Evidence],
    ) -> Weighing:
        """One whose outcome `future` gets, unless it is cancelled. The branch is new. If this
        raises, it is closed.
        """

        def done(evidence: Evidence) -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(evidence)

        try:
            stamps = stamps_of(memory, branch)
        except BaseException:
            branch.close()
            raise
        made = cls(
            given,
            branch,
            wanted,
            stamps,
            done,
            lambda error: fail(future, error),
        )
        future.add_done_callback(made.drop_if_cancelled)
        return made

    def drop_if_cancelled(self, future: Future[Evidence]) -> None:
        """Drop it at the device's next step if nobody waits for its outcome any more."""
        if future.cancelled():
            self.cancelled.set()

    def __post_init__(self) -> None:
        self.hiding = Hiding(sorted(self.stamps), self.wanted)

    def close(self) -> None:
        """Release the branch of the memory."""
        self.branch.close()

    def evidence(self) -> Evidence:
        """What was found, once the search is over."""
        found = self.hiding.found
        frames = tuple(
            EvidenceFrame(number, self.stamps[number], logprob) for number, logprob in found.frames
        )
        return Evidence(frames, found.logprob, found.largest_fall, found.readings)


def stamps_of(memory: VideoMemory, branch: Branch) -> dict[int, FrameStamp]:
    """The stamps of all frames that a branch sees. It must just have been opened."""
    found = {number: memory.stamp_of(number) for number in branch.frames()}
    return {number: stamp for number, stamp in found.items() if stamp is not None}


class Weighings:
    """Answers that are weighed, in turn: each gets one pass. Only the device's thread touches them.

    `took` is called with the seconds that each pass took.
    """

    def __init__(
        self,
        model: VideoModel,
        *,
        most_tokens: int,
        clock: Callable[[], float],
        took: Callable[[float], None],
    ) -> None:
        """`most_tokens`: of one pass; it has at least one reading in any case."""
        self._model = model
        self._most_tokens = most_tokens
        self._clock = clock
        self._took = took
        self._turns: deque[Weighing] = deque()

    @property
    def open(self) -> int:
        """How many answers are being weighed."""
        return len(self._turns)

    def add(self, weighing: Weighing) -> None:
        """Weigh an answer after those that came before."""
        self._turns.append(weighing)

    def drop_cancelled(self) -> None:
        """Drop what was cancelled; nothing is called for it."""
        for weighing in [one for one in self._turns if one.cancelled.is_set()]:
            self._end(weighing)

    def fail_all(self, error: HermesError, session: Session | None = None) -> None:
        """End all with this error, or all of one session."""
        for weighing in [one for one in self._turns if session in (None, one.given.session)]:
            self._end(weighing)
            weighing.failed(error)

    def step(self) -> None:
        """Run one pass for the answer whose turn it is."""
        weighing = self._turns[0]
        self._turns.rotate(-1)
        began = self._clock()
        try:
            hidden = weighing.hiding.next
            if hidden:
                given, branch = weighing.given, weighing.branch
                each = len(branch.opening_frames) + len(given.question) + len(given.answer)
                at_once = hidden[: max(1, self._most_tokens // each)]
                weighing.hiding.took(
                    logprobs_without(
                        self._model,
                        branch,
                        given.question,
                        given.answer,
                        at_once,
                        left_open=given.left_open,
                    )
                )
            if weighing.hiding.next:
                return
            evidence = weighing.evidence()
        except Exception as error:  # concerns only this answer
            self._end(weighing)
            doing = f"the evidence of an answer about {weighing.given.session.camera_id}"
            weighing.failed(as_hermes_error(error, doing))
        else:
            self._end(weighing)
            weighing.done(evidence)
        finally:
            self._took(self._clock() - began)

    def _end(self, weighing: Weighing) -> None:
        self._turns.remove(weighing)
        weighing.close()
