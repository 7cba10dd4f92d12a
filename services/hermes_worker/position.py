"""Where the reader of one camera's frame log is."""

from __future__ import annotations

from hermes.engine import SimilarityGate
from hermes.gap_reasons import gap_word
from hermes.v1.camera_pb2 import GAP_REASON_UNSPECIFIED, GapReason
from hermes.v1.frames_pb2 import FrameChunk
from services.common.frame_log import BEGINNING, LogId
from services.hermes_worker.log_position import START, LogPosition


class Position:
    """The reader's state for one camera. Only the ingest thread uses it.

    `offset`: the last entry that was handed to the engine. `newest`: the log's
    end when it was last looked at. `unseen`: frames before the next one are
    missing. `live`: frames that get old are dropped. `next_frames`: how many
    frames the engine must have room for before the next read. `gate`: leaves
    out frames that show nothing new. `begun`: a chunk was read, by us or by the
    owner whose checkpoint we went on from. `rests_until`: the log could not be read;
    it is not tried again before.
    """

    def __init__(self, start: LogPosition = START) -> None:
        self.offset: LogId = start.id
        self.newest: LogId = BEGINNING
        self.unseen = start.unseen
        self._why: GapReason = GAP_REASON_UNSPECIFIED
        self.live = False
        self.next_frames = 1
        self.gate: SimilarityGate | None = None
        self.rests_until = 0.0
        self.begun = start.epoch > 0
        self._epoch = start.epoch
        self._next_index = start.next_index

    def lack(self, why: GapReason) -> None:
        """Frames before the next one are missing. Of several reasons, the first counts."""
        if not self.unseen:
            self.unseen, self._why = True, why

    def take_lack(self) -> str:
        """Why frames are missing before the one that is next, in one word. Says it once."""
        word, self._why = gap_word(self._why), GAP_REASON_UNSPECIFIED
        self.unseen = False
        return word

    def missing(self, chunk: FrameChunk) -> int:
        """Frames that the decoder sampled before this chunk and that never came to us."""
        if not self.begun:
            return 0
        # All frames of an epoch that follows one we know should have come.
        expected = self._next_index if chunk.epoch == self._epoch else 0
        return max(0, chunk.first_frame_index - expected)

    def take(self, chunk: FrameChunk) -> int:
        """Expect what follows this chunk. Frames before it that the log no longer has.

        Frames that the decoder dropped itself do not count, and after a
        discontinuity there is no telling how many there were.
        """
        missing = 0 if chunk.discontinuity else self.missing(chunk)
        self.begun, self._epoch = True, chunk.epoch
        self._next_index = chunk.first_frame_index + len(chunk.frames)
        return max(0, missing - chunk.dropped_before)

    def advance(self, id: LogId) -> LogPosition:
        """Move past the entry `id`."""
        self.offset = id
        return LogPosition(id, self._epoch, self._next_index, self.unseen)
