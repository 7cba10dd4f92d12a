from __future__ import annotations

from services.decoder.suspensions import SUSPENDED_S, Suspensions


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_process_that_runs_is_never_suspended() -> None:
    clock = Clock()
    suspensions = Suspensions(clock)
    for _ in range(100):
        clock.now_s += SUSPENDED_S * 0.9
        suspensions.tick()
        assert suspensions.take() == 0


def test_the_first_one_to_look_sees_it_and_only_once() -> None:
    """The reading thread may go on before the one that ticks."""
    clock = Clock()
    suspensions = Suspensions(clock)
    clock.now_s += 60
    assert suspensions.take() == 60
    suspensions.tick()
    assert suspensions.take() == 0


def test_several_add_up_until_they_are_taken() -> None:
    clock = Clock()
    suspensions = Suspensions(clock)
    for stopped_s in (5, 7):
        clock.now_s += stopped_s
        suspensions.tick()
        clock.now_s += 0.25
        suspensions.tick()
    assert suspensions.take() == 12
