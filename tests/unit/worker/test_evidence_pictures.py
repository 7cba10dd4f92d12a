"""The pictures that go with evidence."""

from __future__ import annotations

from hermes.engine.evidence import Evidence, EvidenceFrame
from hermes.memory import FrameStamp, HeldFrames
from hermes.memory.coverage import FrameTable
from services.hermes_worker.evidence_pictures import MAX_BYTES, pictures_of
from services.hermes_worker.kept_pictures import KeptPictures


def test_the_weightiest_frames_have_their_pictures_as_far_as_a_message_has_room() -> None:
    table = FrameTable()
    kept = KeptPictures(10_000, lambda: HeldFrames.of(table))
    for number in range(4):
        kept.take(1000 * number, b"%d" % number * 100)
        table.add(FrameStamp(1000 * number), after_gap=False)
    evidence = Evidence(
        tuple(EvidenceFrame(number, FrameStamp(0), -2.0) for number in (2, 9, 0, 3)), -1.0, 1.0, 7
    )
    assert pictures_of(evidence, kept) == {2: b"2" * 100, 0: b"0" * 100, 3: b"3" * 100}
    assert list(pictures_of(evidence, kept, 250)) == [2, 0]
    assert pictures_of(None, kept) == {}
    assert MAX_BYTES < 4 << 20
