"""The loop of `hermes up`: it looks after processes and disk, and shows how the cameras do."""

from __future__ import annotations

import time
from datetime import datetime

from hermes.client import Camera, HermesClient
from hermes.errors import HermesError
from services.cli.board import Board, Picture
from services.cli.storage import Storage
from services.cli.supervision import Supervision

TICK_S = 0.2
READ_TIMEOUT_S = 2.0
"""The gateway answers within this time, or what is shown counts as old."""
REFRESH_S = 1.0
CALM_REFRESH_S = 4.0
"""How seldom the cameras are read while nothing about them changes."""
SHARE = 0.02
"""The part of a core that reading and drawing may take."""


class Watching:
    """Everything that goes on until Ctrl-C."""

    def __init__(
        self, client: HermesClient, supervision: Supervision, storage: Storage, board: Board
    ) -> None:
        self._client = client
        self._supervision = supervision
        self._storage = storage
        self._board = board
        self._cameras: tuple[Camera, ...] = ()
        self._read = datetime.now()
        self._why = ""
        self._pause_s = REFRESH_S
        self._refresh_at = 0.0

    def run(self) -> None:
        """Go on until Ctrl-C. Raises `CrashLoop`."""
        while True:
            self._supervision.look()
            began = time.thread_time()
            if time.monotonic() >= self._refresh_at:
                self._refresh()
            self._board.show(
                Picture(
                    self._cameras,
                    self._read if self._why else None,
                    self._why,
                    tuple(self._supervision.away()),
                    self._storage.look(),
                )
            )
            least_s = (time.thread_time() - began) / SHARE
            self._refresh_at = max(self._refresh_at, time.monotonic() + least_s)
            time.sleep(TICK_S)

    def _refresh(self) -> None:
        before = (self._cameras, self._why)
        try:
            self._cameras, self._why = tuple(self._client.list_cameras()), ""
            self._read = datetime.now()
        except HermesError as error:
            self._why = str(error)
        changed = before != (self._cameras, self._why)
        self._pause_s = (
            REFRESH_S if changed or self._why else min(CALM_REFRESH_S, 2 * self._pause_s)
        )
        self._refresh_at = time.monotonic() + self._pause_s
