"""Places at workers, for which callers take turns. Plain Python: no event loop."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from hermes.in_turn import InTurn

T = TypeVar("T", bound=Hashable)


class FairPlaces(Generic[T]):
    """A bound over all workers and one for each. What waits for a busy worker keeps no other back.

    The next place goes to the caller that holds the fewest, and of these to the one that was
    served least recently; each caller is served first come, first served. A caller that holds
    less than its even share may go beyond a bound, by up to half of it: it waits for no answer
    of a caller that came before it and took all the places.
    """

    def __init__(self, at_once: int, of_one_worker: int) -> None:
        self._at_once = at_once
        self._of_one_worker = of_one_worker
        self._turns = InTurn()
        self._number = 0
        self._waiting: dict[str, dict[str, OrderedDict[T, int]]] = {}
        """By caller and worker, each with its number."""
        self._held: Counter[str] = Counter()
        self._held_at: dict[str, Counter[str]] = {}
        self._taken = 0

    def wait(self, caller: str, worker: str, item: T) -> None:
        """Put an item at the end of its caller's queue."""
        self._number += 1
        queue = self._waiting.setdefault(caller, {}).setdefault(worker, OrderedDict())
        queue[item] = self._number

    def drop(self, caller: str, worker: str, item: T) -> None:
        """Take an item out that waits no longer."""
        queues = self._waiting[caller]
        del queues[worker][item]
        if not queues[worker]:
            del queues[worker]
        if not queues:
            del self._waiting[caller]

    def take(self) -> T | None:
        """The item that gets a place now. None if none can."""
        callers = sorted(
            self._waiting, key=lambda caller: self._turns.key(caller, self._held[caller])
        )
        for caller in callers:
            queues = self._waiting[caller]
            able = [worker for worker in queues if self._has_room(caller, worker)]
            if not able:
                continue
            worker = min(able, key=lambda one: next(iter(queues[one].values())))
            item = next(iter(queues[worker]))
            self.drop(caller, worker, item)
            self._turns.served(caller)
            self._held[caller] += 1
            self._held_at.setdefault(worker, Counter())[caller] += 1
            self._taken += 1
            return item
        return None

    def leave(self, caller: str, worker: str) -> None:
        """A place comes free."""
        self._held -= Counter([caller])
        there = self._held_at[worker]
        there -= Counter([caller])
        if not there:
            del self._held_at[worker]
        self._taken -= 1

    def _has_room(self, caller: str, worker: str) -> bool:
        there = self._held_at.get(worker, Counter())
        waiting_there = (name for name, queues in self._waiting.items() if worker in queues)
        return _fits(
            self._at_once, self._taken, self._held[caller], len({*self._held, *self._waiting})
        ) and _fits(
            self._of_one_worker, there.total(), there[caller], len({*there, *waiting_there})
        )


def _fits(most: int, taken: int, own: int, callers: int) -> bool:
    """Whether a caller gets one more place. `callers`: how many have a place or wait for one."""
    below_its_share = callers > 1 and own < most // callers
    return taken < most + (most // 2 if below_its_share else 0)
