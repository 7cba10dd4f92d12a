"""How far the download and the loading of a model have come."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

log = logging.getLogger(__name__)

LINE_EVERY_S = 5.0
"""How often a line is logged, at most, where there is no terminal."""
FIRST_LINE_S = 2.0
"""What is done by then needs no line."""
_WEIGHTS = "Loading weights"  # as transformers calls its bar

_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True, slots=True)
class LoadStep:
    """How far it has come, in bytes. `shards`: files of weights; 0 while they are downloaded.

    While weights are loaded, `done` is estimated from the number of tensors.
    """

    doing: Literal["downloading", "loading"]
    done: int
    total: int
    shards: int = 0

    @property
    def shard(self) -> int:
        """The file that is being loaded, from 1; 0 while they are downloaded."""
        share = self.done / self.total if self.total else 0.0
        return min(self.shards, int(share * self.shards) + 1) if self.shards else 0

    def __str__(self) -> str:
        size, unit = next((u for u in _UNITS if self.total >= u[0]), (1.0, "B"))
        amount = f"{self.done / size:.1f} of {self.total / size:.1f} {unit}"
        return (
            f"loading shard {self.shard} of {self.shards}, {amount}"
            if self.shards
            else (f"downloading {amount}")
        )


Progress = Callable[[LoadStep], None]
"""Called often, from any thread. Must be quick."""


class LoggedProgress:
    """Logs a line every few seconds."""

    def __init__(
        self,
        line: Callable[[str], None] = log.info,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line = line
        self._clock = clock
        self._next = clock() + FIRST_LINE_S

    def __call__(self, step: LoadStep) -> None:
        """Log the step, unless it is soon after the beginning or the last line."""
        now = self._clock()
        if now >= self._next:
            self._next = now + LINE_EVERY_S
            self._line(str(step))


def default_progress() -> Progress | None:
    """Lines in the log; None in a terminal, where the libraries draw bars of their own."""
    return None if sys.stderr.isatty() else LoggedProgress()


def download_bar(progress: Progress | None) -> type[Any] | None:
    """A class of bars for `huggingface_hub`, which report to `progress`; None for its own."""
    if progress is None:
        return None
    from huggingface_hub.utils.tqdm import tqdm

    report = progress

    class Bar(tqdm):
        """Draws nothing. The hub makes one for bytes, and enlarges its total file by file."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            received = str(kwargs.get("desc")).startswith("Downloading bytes")  # before unpacking
            self._bytes = kwargs.get("unit") == "B" and not received
            self._done = int(kwargs.get("initial") or 0)
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> bool | None:
            if self._bytes:
                self._done += int(n or 0)
                report(LoadStep("downloading", self._done, int(self.total or 0)))
            return None

    return Bar


@contextmanager
def loading_bar(progress: Progress | None, total: int, shards: int) -> Iterator[None]:
    """While transformers loads weights of `total` bytes, report to `progress`."""
    if progress is None:
        yield
        return
    from transformers.utils import logging as public

    report = progress

    def steps(items: Any) -> Iterator[Any]:
        count = len(items)
        for number, item in enumerate(items):
            report(LoadStep("loading", total * number // max(1, count), total, shards))
            yield item
        report(LoadStep("loading", total, total, shards))

    def made(factory: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if args and kwargs.get("desc") == _WEIGHTS and hasattr(args[0], "__len__"):
            return steps(args[0])
        return factory(*args, **kwargs)

    before = public.set_tqdm_hook(made)
    try:
        yield
    finally:
        public.set_tqdm_hook(before)
