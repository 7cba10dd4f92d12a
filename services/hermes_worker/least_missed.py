"""Which moments of a time line can be left out, the least missed one first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from math import inf


def least_missed(times: Sequence[int], weights: Sequence[float]) -> Iterator[int]:
    """The indices of `times`, ascending, in the order in which they are left out; never the last.

    Each time the one goes whose absence costs least: the time from the moment before
    it to the moment after it, of those that are still there, times its weight. Of
    equal ones the older goes. So what stays is spread over the whole time. The oldest
    moment, where the time line begins, comes last.
    """
    count = len(times)
    before, after = list(range(-1, count - 1)), list(range(1, count + 1))
    gone = bytearray(count)

    def cost(at: int) -> float:
        if before[at] < 0:
            return inf
        return (times[after[at]] - times[before[at]]) * weights[at]

    costs = [cost(at) for at in range(count - 1)]
    heap = [(cost, at) for at, cost in enumerate(costs)]
    heapify(heap)
    while heap:
        known, at = heappop(heap)
        if gone[at] or known != costs[at]:
            continue  # it left, or a neighbour did since
        yield at
        gone[at] = True
        left, right = before[at], after[at]
        before[right] = left
        if left >= 0:
            after[left] = right
        for neighbour in (left, right):
            if 0 <= neighbour < count - 1:
                costs[neighbour] = cost(neighbour)
                heappush(heap, (costs[neighbour], neighbour))
