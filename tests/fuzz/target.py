"""What is fuzzed, and how one input is tried."""

from __future__ import annotations

import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

CASES = Path(__file__).with_name("cases")
HANG_S = 5.0
"""CPU time that one input may take."""
GROWTH_BYTES = 256 << 20
"""What one process may grow by, after its first thousand inputs."""

Edit = Callable[[bytes, Random], bytes]


class Hang(Exception):
    """An input took longer than `HANG_S`."""


@dataclass(frozen=True, slots=True)
class Target:
    """`read` takes an input, and raises for a fault alone.

    It returns how it was answered, in few words: two inputs that are answered
    alike tell nothing new. `seeds`: good inputs. `edits`: changes that know the
    format. `words`: bytes that mean something in it.
    """

    name: str
    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes], str]
    edits: tuple[Edit, ...] = ()
    words: tuple[bytes, ...] = ()

    @property
    def cases(self) -> list[Path]:
        """The inputs that were a fault once."""
        return sorted((CASES / self.name).glob("*"))


@dataclass(frozen=True, slots=True)
class Fault:
    """An exception, and where it was raised: the same fault is found many times."""

    kind: str
    where: str
    text: str


def attempt(target: Target, data: bytes) -> str | Fault:
    """How an input is answered, or the fault that it is."""
    try:
        with _in_time():
            return target.read(data)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "/site-packages/" not in frame.filename]
        where = " < ".join(
            f"{Path(frame.filename).name}:{frame.name}" for frame in reversed(ours[-2:])
        )
        return Fault(type(error).__name__, where, "".join(traceback.format_exception(error)))


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@contextmanager
def _in_time() -> Iterator[None]:
    """CPU time, not the clock's: the machine may be busy with other things."""

    def too_long(_number: int, _frame: FrameType | None) -> None:
        raise Hang(f"more than {HANG_S} s")

    before = signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
