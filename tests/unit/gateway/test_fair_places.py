"""Places at workers: callers take turns, and a quiet one waits for no answer of another."""

from __future__ import annotations

from collections import Counter
from itertools import count
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.query_gateway.fair_places import FairPlaces

Item = tuple[str, str, int]


class Rig:
    """Items that wait, have a place, and leave."""

    def __init__(self, at_once: int, of_one_worker: int) -> None:
        self.places: FairPlaces[Item] = FairPlaces(at_once, of_one_worker)
        self.there: list[Item] = []
        self.waiting: list[Item] = []
        self.numbers = count()

    def ask(self, caller: str, worker: str = "w", times: int = 1) -> None:
        for _ in range(times):
            item = (caller, worker, next(self.numbers))
            self.waiting.append(item)
            self.places.wait(caller, worker, item)
        self.hand_out()

    def hand_out(self) -> None:
        while (item := self.places.take()) is not None:
            self.waiting.remove(item)
            self.there.append(item)

    def leave(self, item: Item) -> None:
        self.there.remove(item)
        self.places.leave(item[0], item[1])
        self.hand_out()

    def held(self) -> Counter[str]:
        return Counter(caller for caller, _, _ in self.there)


def test_a_caller_that_is_alone_has_all_places_and_keeps_its_order() -> None:
    rig = Rig(at_once=8, of_one_worker=4)
    rig.ask("", times=100)
    assert [number for _, _, number in rig.there] == [0, 1, 2, 3]
    rig.ask("", worker="other", times=10)
    assert rig.held() == {"": 8}
    rig.leave(rig.there[0])
    assert rig.there[-1][1:] == ("w", 4)


def test_a_quiet_caller_waits_for_no_answer_of_one_that_took_all_places() -> None:
    rig = Rig(at_once=8, of_one_worker=8)
    rig.ask("flood", times=500)
    rig.ask("quiet", times=6)
    assert rig.held() == {"flood": 8, "quiet": 4}, "half of a bound is kept for it"
    for _ in range(8):
        rig.leave(next(item for item in rig.there if item[0] == "flood"))
    assert rig.held() == {"flood": 4, "quiet": 4}, "each has half"
    rig.leave(next(item for item in rig.there if item[0] == "quiet"))
    assert rig.held() == {"flood": 4, "quiet": 4}, "what comes free goes to who holds fewer"


CALLS = st.tuples(
    st.sampled_from(["flood", "ann", "bob"]),
    st.sampled_from(["one", "two"]),
    st.sampled_from(["ask", "ask", "leave", "drop"]),
)


@given(st.lists(CALLS, max_size=80), st.integers(1, 6), st.integers(1, 4))
def test_bounds_hold_and_no_place_stays_empty_that_one_waits_for(
    calls: list[tuple[str, str, str]], at_once: int, of_one: int
) -> None:
    rig = Rig(at_once, of_one)
    for caller, worker, what in calls:
        there = [item for item in rig.there if item[:2] == (caller, worker)]
        waiting = [item for item in rig.waiting if item[:2] == (caller, worker)]
        if what == "ask":
            rig.ask(caller, worker, 3)
        elif what == "leave" and there:
            rig.leave(there[0])
        elif what == "drop" and waiting:
            rig.waiting.remove(waiting[-1])
            rig.places.drop(caller, worker, waiting[-1])
            rig.hand_out()
        at = Counter(worker for _, worker, _ in rig.there)
        assert len(rig.there) <= at_once + at_once // 2
        assert max(at.values(), default=0) <= of_one + of_one // 2
        for _, where, _ in rig.waiting:
            assert len(rig.there) >= at_once or at[where] >= of_one
        for one in {item[0] for item in rig.there}:  # each in the order in which it asked
            for where in ("one", "two"):
                newest = max((n for c, w, n in rig.there if (c, w) == (one, where)), default=-1)
                assert all(n > newest for c, w, n in rig.waiting if (c, w) == (one, where))


@given(st.integers(2, 6), st.integers(0, 200), st.integers(0, 2**32))
def test_all_that_wait_get_as_much(callers: int, more: int, seed: int) -> None:
    """Callers that always have something waiting come to hold as many places, whichever leave."""
    leaves = Random(seed)
    rig = Rig(at_once=12, of_one_worker=12)
    names = [f"c{number}" for number in range(callers)]
    for number, name in enumerate(names):
        rig.ask(name, times=100 + (more if number == 0 else 0))
    for _ in range(150):
        rig.leave(leaves.choice(rig.there))
        for name in names:
            rig.ask(name)
    held = [rig.held()[name] for name in names]
    assert max(held) - min(held) <= 2
