"""Callers take turns, and none of them takes all the room."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.in_turn import InTurn, most_held, waits_behind

CALLERS = st.sampled_from(["ann", "bob", "cleo", ""])


def order(waiting: str, **held: int) -> str:
    """The order of what waits: a letter is a caller."""
    return "".join(one for one in InTurn().order(waiting, str, held))


def test_callers_alternate_and_each_keeps_its_own_order() -> None:
    numbered = [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("a", 4), ("b", 2)]
    found = list(InTurn().order(numbered, lambda one: one[0], {}))
    assert found == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("a", 4)]


def test_who_holds_fewer_places_is_next() -> None:
    assert order("aaab", a=40) == "baaa"
    assert order("aabb", a=2) == "bbaa"
    assert order("abc", a=1, b=1) == "cab"


def test_one_caller_is_first_come_first_served() -> None:
    numbered = [("", number) for number in range(20)]
    assert list(InTurn().order(numbered, lambda one: one[0], {"": 7})) == numbered


@given(st.lists(CALLERS, max_size=60), st.dictionaries(CALLERS, st.integers(0, 9)))
def test_nothing_is_lost_and_no_caller_gets_ahead_of_its_share(
    waiting: list[str], held: dict[str, int]
) -> None:
    found = list(InTurn().order(waiting, str, held))
    assert Counter(found) == Counter(waiting)
    holds, left = Counter(held), Counter(waiting)
    for caller in found:
        for other in +left:
            assert holds[caller] <= holds[other], "another that waits held fewer"
        holds[caller] += 1
        left[caller] -= 1


@given(st.lists(st.frozensets(CALLERS), min_size=1, max_size=40), st.integers(1, 4))
def test_nobody_starves_however_much_others_send(
    arrivals: list[frozenset[str]], places: int
) -> None:
    """Each round so many are served, and end at once. However long the flood is, one that is its
    caller's only one waits no more rounds than there are callers.
    """
    turns, waiting, since = InTurn(), ["flood"] * 100, dict[str, int]()
    for now, arrive in enumerate(arrivals):
        waiting += [caller for caller in sorted(arrive) if caller not in since]
        since = {**dict.fromkeys(arrive, now), **since}
        for caller in list(islice(turns.order(waiting, str, {}), places)):
            waiting.remove(caller)
            turns.served(caller)
            since.pop(caller, None)
        assert all(now - then < 5 for then in since.values())


@pytest.mark.parametrize("places", [1, 2, 8, 64])
def test_some_places_stay_free_whoever_sends_most(places: int) -> None:
    held = 0
    while held < places and held < most_held(places - held):
        held += 1
    assert 0 < held <= places
    if places >= 4:
        assert held == 3 * places // 4
        assert most_held(places - held) > 0, "another caller still gets in"


@given(st.integers(2, 12), st.integers(16, 200))
def test_callers_that_send_as_much_as_they_can_get_as_much(callers: int, places: int) -> None:
    held = Counter[int]()
    while True:
        more = False
        for caller in range(callers):
            free = places - held.total()
            if free and held[caller] < most_held(free):
                held[caller] += 1
                more = True
        if not more:
            break
    assert max(held.values()) - min(held[caller] for caller in range(callers)) <= 1
    if 3 * callers < places:
        assert held.total() < places, "one that comes later still gets in"


def test_a_quiet_caller_waits_for_its_turn_only() -> None:
    assert waits_behind(0, [500]) == 1
    assert waits_behind(3, [500, 2]) == 3 + 4 + 2
    assert waits_behind(7, []) == 7
