"""The protocol by which an engine reports what happens on the device."""

from __future__ import annotations

from typing import Protocol


class EngineObserver(Protocol):
    """Receives reports of what happened. Called on the device's thread: return at once."""

    def frame_in_memory(self, camera_id: str, lag_s: float | None) -> None:
        """A frame was taken in, `lag_s` seconds after its capture; None for a replayed frame."""
        ...

    def tokens_taken(self, camera_id: str, taken: int, unchanged: int) -> None:
        """Frames were taken in with so many tokens; so many were left out."""
        ...

    def compressed(self, camera_id: str, evicted_tokens: int) -> None:
        """A memory was brought back to its budget."""
        ...

    def pass_retried(self) -> None:
        """A pass over frames failed (out of memory, for example) and is tried again in halves."""
        ...

    def frame_failed(self, camera_id: str, error: Exception) -> None:
        """A frame could not be taken in and was skipped."""
        ...
