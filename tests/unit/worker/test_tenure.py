"""The phases of a tenure, driven at random and held to a model and to the table."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hermes.engine import CameraHandle
from hermes.errors import CameraNotReady
from hermes.v1.camera_pb2 import Camera
from services.common.frame_log import LogId
from services.common.leases import Fence, Lease
from services.hermes_worker.log_position import LogPosition
from services.hermes_worker.phase import TRANSITIONS, Phase
from services.hermes_worker.tenure import LEAVE_S, Tenure
from tests.support.examples import at_most
from tests.support.ingest_rig import FakeEngine, FakeHandle


class Tenancy(RuleBasedStateMachine):
    """Whatever a worker's threads call, in any order."""

    @initialize(ours=st.booleans(), restores=st.booleans())
    def come(self, ours: bool, restores: bool) -> None:
        self.now, self.epoch = 0.0, 1
        self.answers: list[AbstractContextManager[None]] = []
        self.handle = FakeHandle(FakeEngine(), "a")
        lease = self.lease() if ours else None
        self.tenure = Tenure(
            Camera(id="a"),
            cast(CameraHandle, self.handle),
            lease,
            restores=restores,
            clock=lambda: self.now,
        )
        self.restored = not restores
        self.leaving = False
        self.phase = self.tenure.phase

    def lease(self) -> Lease:
        self.epoch += 1
        return Lease("a", "worker", Fence("me", self.epoch))

    @rule()
    def gain(self) -> None:
        prepared, caught_up = self.tenure.lease is None, self.tenure.caught_up
        lease = self.lease()
        self.tenure.gained(lease)
        self.leaving = False
        assert self.tenure.lease is lease
        assert self.tenure.caught_up == (caught_up and not prepared)
        assert self.tenure.caught_up or not self.tenure.aimed

    @precondition(lambda self: not self.restored)
    @rule(incomplete=st.booleans())
    def restore(self, incomplete: bool) -> None:
        self.tenure.restored(LogPosition(LogId(5)), incomplete=incomplete)
        self.handle.cursor = "5-0"
        self.restored = True

    @rule(ms=st.integers(0, 20))
    def take_in(self, ms: int) -> None:
        self.handle.cursor = f"{ms}-0"

    @rule(ms=st.integers(0, 20), now=st.booleans())
    def aim(self, ms: int, now: bool) -> None:
        aimed = self.tenure.aimed
        self.tenure.aim(LogId(ms), self.tenure.lease if now else self.lease())
        assert self.tenure.aimed == (aimed or now)

    @rule()
    def progress(self) -> None:
        before = self.tenure.caught_up
        took_s = self.tenure.progress()
        assert not before or self.tenure.caught_up
        if took_s is not None:
            assert self.tenure.caught_up
            assert not before
            assert self.tenure.lease is not None

    @rule()
    def leave(self) -> None:
        began = self.now if not self.leaving else None
        done = self.tenure.leave()
        if self.tenure.lease is None:
            assert done
            return
        self.leaving = True
        assert done or self.answers
        if began is not None:
            assert done == (not self.answers)

    @precondition(lambda self: self.leaving)
    @rule()
    def wait_too_long(self) -> None:
        self.now += LEAVE_S + 1
        assert self.tenure.leave()

    @rule()
    def stay(self) -> None:
        self.tenure.stay()
        self.leaving = False

    @rule(keep=st.booleans())
    def answer(self, keep: bool) -> None:
        answering = self.tenure.answering()
        if self.tenure.phase is not Phase.SERVING:
            with pytest.raises(CameraNotReady), answering:
                pass
            return
        answering.__enter__()
        if keep:
            self.answers.append(answering)
        else:
            answering.__exit__(None, None, None)

    @precondition(lambda self: self.answers)
    @rule()
    def end_an_answer(self) -> None:
        self.answers.pop().__exit__(None, None, None)

    @invariant()
    def changes_only_as_the_table_allows(self) -> None:
        phase = self.tenure.phase
        assert phase is self.phase or phase in TRANSITIONS[self.phase]
        self.phase = phase

    @invariant()
    def is_what_the_facts_say(self) -> None:
        tenure = self.tenure
        if tenure.lease is None:
            expected = Phase.PREPARING
        elif self.leaving:
            expected = Phase.LEAVING
        elif not self.restored:
            expected = Phase.RESTORING
        else:
            expected = Phase.SERVING if tenure.caught_up else Phase.REPLAYING
        assert tenure.phase is expected
        assert (tenure.position is not None) == self.restored


Tenancy.TestCase.settings = settings(
    max_examples=at_most(200), stateful_step_count=30, deadline=None
)
TestTenancy = Tenancy.TestCase


def test_no_phase_leads_back_to_preparing() -> None:
    """A camera that is given up is ended; it is never prepared again."""
    assert not any(Phase.PREPARING in follows for follows in TRANSITIONS.values())
    assert set(TRANSITIONS) == set(Phase)
