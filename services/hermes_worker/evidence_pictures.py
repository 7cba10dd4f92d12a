"""The pictures that go with evidence: as many as one message has room for."""

from __future__ import annotations

from hermes.engine.evidence import Evidence
from services.hermes_worker.kept_pictures import KeptPictures

MAX_BYTES = 3_500_000
"""Of all pictures of one answer. A message of gRPC has room for 4 MiB by default."""


def pictures_of(
    evidence: Evidence | None, kept: KeptPictures, most_bytes: int = MAX_BYTES
) -> dict[int, bytes]:
    """JPEGs by the numbers of their frames, those of the weightiest frames first."""
    found: dict[int, bytes] = {}
    left = most_bytes
    for frame in () if evidence is None else evidence.frames:
        jpeg = kept.get(frame.number)
        if jpeg is not None and len(jpeg) <= left:
            found[frame.number] = jpeg
            left -= len(jpeg)
    return found
