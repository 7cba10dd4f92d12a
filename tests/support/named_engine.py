"""An engine whose cameras a test names by id, as long as it is the handles that are tested less."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from hermes.contents import MemoryContents
from hermes.engine import (
    Answer,
    AnswerSink,
    Batch,
    CameraHandle,
    Engine,
    SessionReport,
    Snapshot,
)
from hermes.question import Question
from hermes.sampling import GREEDY, Sampling


class NamedEngine(Engine):
    """Keeps the newest handle of each id."""

    def __init__(self, *args: object, **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        self.handles: dict[str, CameraHandle] = {}

    def open(self, camera_id: str) -> CameraHandle:
        handle = self.handles[camera_id] = super().open(camera_id)
        return handle

    def close(self, camera_id: str) -> None:
        self.handles[camera_id].close()

    def room(self, camera_id: str) -> int:
        return self.handles[camera_id].room()

    def offer(self, camera_id: str, batch: Batch) -> None:
        self.handles[camera_id].offer(batch)

    def report(self, camera_id: str) -> SessionReport:
        return self.handles[camera_id].report()

    def ask(
        self,
        camera_id: str,
        text: str,
        sink: AnswerSink,
        *,
        max_tokens: int = 0,
        ready: Callable[[str], bool] | None = None,
        sampling: Sampling = GREEDY,
    ) -> Answer:
        question = Question(text, max_tokens, sampling=sampling)
        return self.handles[camera_id].ask(question, sink, ready=ready)

    def inspect(self, camera_id: str) -> Future[MemoryContents]:
        return self.handles[camera_id].inspect()

    def snapshot(self, camera_id: str) -> Future[Snapshot]:
        return self.handles[camera_id].snapshot()

    def restore(self, camera_id: str, snapshot: Snapshot) -> Future[None]:
        return self.handles[camera_id].restore(snapshot)

    def run(self, work: Callable[[], None]) -> None:
        """Have the device's thread do something."""
        self._mailbox.post(work)

    def stop_soon(self) -> None:
        """What `stop` does, without waiting."""
        self._mailbox.stop()

    @property
    def stopping(self) -> bool:
        """Whether new cameras are refused."""
        return self._mailbox.stopped
