"""A camera comes to a worker, is prepared, restored, replayed, and goes."""

from __future__ import annotations

from typing import cast

import pytest
from torch import Tensor

from hermes.errors import CameraNotReady, HermesError
from services.common.frame_log import LogId
from services.common.holder import FAILED
from services.hermes_worker import ingest
from services.hermes_worker.log_position import LogPosition
from services.hermes_worker.phase import Phase
from services.hermes_worker.pictures import decode_jpeg
from services.hermes_worker.tenure import Tenure
from tests.support.chunks import chunk
from tests.support.ingest_rig import FENCE, FakeHandle, Rig


def test_entries_in_the_log_at_takeover_are_replayed_whatever_their_age() -> None:
    rig = Rig()
    rig.log.set_fence("a", FENCE)
    rig.log.append(chunk("a", 100, frames=2), FENCE)
    rig.gain("a")
    rig.ingest.step(0.0)
    tenure = rig.tenure("a")
    assert (tenure.replays(LogId(200)), tenure.replays(LogId(201))) == (True, False)
    assert rig.tenures.state("a") == "replaying"
    assert rig.times("a") == [100, 200]
    assert all(frame.replayed for _, batch in rig.engine.batches for frame in batch.frames)
    rig.ingest.step(0.0)
    assert rig.tenures.state("a") == "serving"
    assert rig.metrics.registry.get_sample_value("hermes_replayed_frames_total") == 2


def test_an_empty_log_serves_at_once(rig: Rig) -> None:
    assert rig.tenures.state("a") == "serving"


def test_a_lost_camera_is_read_no_more(rig: Rig) -> None:
    rig.tenures.lost("a")
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    assert rig.engine.batches == []
    assert rig.engine.opened == set()
    assert rig.tenures.state("a") == "replaying"


def test_a_camera_added_again_gets_none_of_the_former_ones_frames(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is lost and gained again while one of its former frames is being decoded."""

    def slowly(data: bytes) -> Tensor:
        rig.tenures.lost("a")
        rig.gain("a")
        return decode_jpeg(data)

    rig.log.append(chunk("a", 999_000), FENCE)
    monkeypatch.setattr(ingest, "decode_jpeg", slowly)
    rig.ingest.step(0.0)
    assert rig.times("a") == []


def test_a_new_memory_does_not_inherit_the_progress_of_a_former_one(rig: Rig) -> None:
    """A handle shows its memory until the device's thread comes round to closing it."""
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    rig.tenures.lost("a")
    rig.engine.slow = True
    rig.gain("a")
    for _ in range(3):
        rig.ingest.step(0.0)
    assert rig.tenures.state("a") == "replaying"


def test_a_replay_does_not_wait_for_a_log_that_was_lost(rig: Rig) -> None:
    """Redis loses its data in mid-replay, and the camera sends nothing more."""
    rig.log.set_fence("b", FENCE)
    rig.log.append(chunk("b", 999_000), FENCE)
    rig.engine.waiting = rig.engine.config.max_pending_frames
    rig.gain("b")
    rig.ingest.step(0.0)
    assert rig.tenures.state("b") == "replaying"
    rig.log.clear()
    rig.gain("b", epoch=9)
    rig.ingest.step(0.0)
    assert rig.tenures.state("b") == "serving"


def test_a_retaken_lease_keeps_the_memory(rig: Rig) -> None:
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    tenure = rig.gain("a", epoch=9)
    assert tenure.lease is not None
    assert tenure.position is not None
    assert (tenure.lease.epoch, tenure.position.offset) == (9, LogId(999_000))
    rig.ingest.step(0.0)
    assert len(rig.engine.batches) == 1


def restored(rig: Rig, start: LogPosition) -> Tenure:
    """As after a takeover from a checkpoint."""
    tenure = rig.gain("a")
    assert (tenure.phase, tenure.position) == (Phase.RESTORING, None)
    rig.ingest.step(0.0)
    assert rig.engine.batches == []  # nothing is read before it is known from where
    tenure.restored(start)
    assert tenure.checkpoint.durable_id == str(start.id)
    return tenure


@pytest.fixture
def restoring() -> Rig:
    """A worker with checkpoints. They are read when a test says so."""
    rig = Rig(restore=lambda tenure: None)
    rig.log.set_fence("a", FENCE)
    return rig


def test_a_restored_memory_goes_on_past_its_log_position(restoring: Rig) -> None:
    rig = restoring
    for number in range(4):
        rig.log.append(chunk("a", 999_000 + 100 * number, index=number), FENCE)
    restored(rig, LogPosition(LogId(999_100), FENCE.epoch, 2))
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_200, 999_300]
    assert not any(f.after_gap for _, b in rig.engine.batches for f in b.frames)


@pytest.mark.parametrize(
    ("start", "index"),
    [
        (LogPosition(LogId(990_000), FENCE.epoch, 2), 7),
        (LogPosition(LogId(990_000), FENCE.epoch + 1, 9), 7),
        (LogPosition(LogId(990_000), FENCE.epoch, 7, unseen=True), 7),
    ],
    ids=["trimmed", "another decoder's first frames trimmed", "noted before"],
)
def test_frames_that_cannot_be_replayed_are_a_gap(
    restoring: Rig, start: LogPosition, index: int
) -> None:
    rig = restoring
    rig.log.append(chunk("a", 999_000, index=index), FENCE)
    rig.log.append(chunk("a", 999_100, index=index + 1), FENCE)
    restored(rig, start)
    rig.ingest.step(0.0)
    assert [f.after_gap for _, b in rig.engine.batches for f in b.frames] == [True, False]


@pytest.mark.parametrize("lost", [False, True])
def test_only_a_whole_memory_is_ready_to_be_handed_its_camera(restoring: Rig, lost: bool) -> None:
    rig = restoring
    tenure = rig.prepare("a")
    tenure.restored(incomplete=lost)
    rig.ingest.step(0.0)
    assert tenure.caught_up
    assert rig.tenures.prepared("a") == (not lost)


def test_frames_trimmed_before_they_were_read_make_a_memory_incomplete(rig: Rig) -> None:
    tenure = rig.prepare("b")
    rig.log.append(chunk("b", 999_000, index=3), FENCE)
    rig.ingest.step(0.0)
    rig.ingest.step(0.0)
    assert (tenure.caught_up, tenure.ready) == (True, False)


def test_takeover_time_is_measured_from_gaining_the_camera(rig: Rig) -> None:
    def takeovers() -> float | None:
        return rig.metrics.registry.get_sample_value("hermes_takeover_seconds_count")

    before = takeovers()
    tenure = rig.prepare("b")
    rig.ingest.step(0.0)
    assert (tenure.ready, takeovers()) == (True, before)
    rig.gain("b")
    rig.ingest.step(0.0)
    assert takeovers() == (before or 0) + 1


def test_a_prepared_camera_serves_once_it_has_caught_up(rig: Rig) -> None:
    rig.tenures.lost("a")
    rig.log.append(chunk("a", 999_000), FENCE)
    tenure = rig.prepare("a")
    assert not rig.tenures.prepared("a")
    rig.ingest.step(0.0)
    rig.ingest.step(0.0)
    assert rig.tenures.prepared("a")
    assert (tenure.phase, tenure.lease) == (Phase.PREPARING, None)
    assert rig.gain("a", epoch=9) is tenure
    rig.ingest.step(0.0)
    assert tenure.phase is Phase.SERVING


def test_frames_that_came_during_a_hand_over_are_seen_before_it_serves(rig: Rig) -> None:
    rig.tenures.lost("a")
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.prepare("a")
    for _ in range(2):
        rig.ingest.step(0.0)
    assert rig.tenures.prepared("a")
    rig.log.append(chunk("a", 999_500, index=1), FENCE)
    tenure = rig.gain("a", epoch=9)
    assert (tenure.phase, rig.tenures.state("a")) == (Phase.REPLAYING, "replaying")
    for _ in range(2):
        rig.ingest.step(0.0)
    assert (tenure.phase, rig.tenures.state("a")) == (Phase.SERVING, "serving")
    assert rig.times("a")[-1] == 999_500


def test_a_camera_is_left_when_its_answers_have_ended(rig: Rig) -> None:
    tenure = rig.tenure("a")
    with tenure.answering():
        assert not rig.tenures.leave("a")
        with pytest.raises(CameraNotReady, match="changing hands"), tenure.answering():
            pass
        rig.tenures.stay("a")
        assert tenure.phase is Phase.SERVING
        assert not rig.tenures.leave("a")
    assert rig.tenures.leave("a")
    assert rig.tenures.leave("nobody")


def test_a_target_looked_up_under_a_former_lease_is_ignored(
    rig: Rig,
) -> None:
    tenure = rig.prepare("b")
    before = tenure.lease
    rig.gain("b")
    tenure.aim(LogId(1), before)
    assert not tenure.aimed


def test_a_camera_whose_memory_cannot_be_made_is_given_up(rig: Rig) -> None:
    tenure = rig.tenure("a")
    handle = cast(FakeHandle, tenure.handle)
    handle.failure = HermesError("the device is full")
    assert rig.tenures.state("a") == FAILED
