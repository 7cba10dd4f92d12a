"""The wait for frames of a source that sends packets: how long it may be, and what is reported."""

from __future__ import annotations

from hermes.v1.camera_pb2 import SOURCE_ERROR_CODEC
from services.decoder.faults import SourceFault
from services.decoder.telemetry import Telemetry

NO_FRAME_S = 20.0
"""A source that sends packets but no frame for this long is not taken for video."""

KEY_FRAME_S = 75.0
"""Longest wait for a frame that decoding can begin with: some cameras send one a minute."""

REPORT_S = 5.0
"""A wait for it that is longer than this is reported in the camera's status."""


class FrameWait:
    """Reports in the status whether frames of one opened source come, or what it waits for."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        # Whether the status says that frames come; None if it says neither yet.
        self._online: bool | None = None

    def frame(self, note: str = "") -> None:
        """A whole frame came. `note`: what people should know of frames that come."""
        if not self._online:
            self._online = True
            self._telemetry.online(note)

    def packet(self, silent_s: float, doubt: str | None) -> None:
        """A packet came, and no frame for `silent_s`. `doubt`: why frames would be damaged now.

        Raises `SourceFault` after too long a wait.
        """
        if silent_s > (NO_FRAME_S if doubt is None else KEY_FRAME_S):
            why = "no frame of it could be decoded"
            if doubt is not None:
                why = f"no key frame came in {KEY_FRAME_S:.0f} seconds; {doubt}"
            raise SourceFault(SOURCE_ERROR_CODEC, why)
        if doubt is not None and silent_s > REPORT_S and self._online is not False:
            self._online = False
            self._telemetry.waits(f"waits for a key frame: {doubt}")
