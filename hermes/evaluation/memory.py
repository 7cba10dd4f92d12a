"""What every way to remember a stream has in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from torch import Tensor

from hermes.choices import ChoiceProbability
from hermes.memory import Branch, Compression, Coverage, FrameStamp
from hermes.question import Span
from hermes.sampling import GREEDY, Sampling
from hermes.vlm import VideoModel


class Memory(Protocol):
    """One stream's memory: frames go in, answers come out. Not thread-safe."""

    model: VideoModel

    @property
    def name(self) -> str:
        """What this way of remembering is called in settings and tables."""
        ...

    @property
    def device_bytes(self) -> int:
        """Bytes of cache that are held on the device between two questions."""
        ...

    @property
    def host_bytes(self) -> int:
        """Bytes that are held in host memory."""
        ...

    def feed(
        self,
        pictures: Tensor,
        capture_ms: Sequence[int] | None = None,
        *,
        after_gap: bool = False,
    ) -> None:
        """Take frames in: [n, 3, height, width] uint8, RGB, any size."""
        ...

    def take(
        self, picture: Tensor, stamp: FrameStamp, *, after_gap: bool = False
    ) -> Compression | None:
        """Take in one picture [3, height, width] uint8; what that evicted, if anything."""
        ...

    def branch(self, room: int, span: Span | None = None) -> Branch:
        """A place for one question and its answer of at most `room` tokens. Close it after use."""
        ...

    def ask(
        self,
        question: str,
        max_tokens: int = 256,
        sampling: Sampling = GREEDY,
        *,
        span: Span | None = None,
    ) -> str:
        """The whole answer."""
        ...

    def answer(self, question: str, max_tokens: int = 256) -> Iterator[str]:
        """The answer, piece by piece, as it is written."""
        ...

    def choose(
        self, question: str, choices: Sequence[str], *, span: Span | None = None
    ) -> tuple[ChoiceProbability, ...]:
        """How probable each of these answers is, in their order."""
        ...

    def coverage(self) -> Coverage:
        """What can be answered about."""
        ...
