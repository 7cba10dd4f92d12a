"""Bundles of pictures, as they come from a store."""

from __future__ import annotations

from hermes.errors import SnapshotCorrupt
from services.hermes_worker.picture_bundle import decode, encode
from tests.fuzz.target import Target

CAMERA = "lobby/1700000000000"
PICTURES = {1_700_000_000_000 + number: bytes([number]) * 20 for number in range(4)}


def _seeds() -> list[bytes]:
    return [encode(some, CAMERA) for some in ({}, PICTURES)]


def _read(data: bytes) -> str:
    try:
        found = decode(data, CAMERA)
    except SnapshotCorrupt as error:
        return str(error)
    assert all(PICTURES[ms] == jpeg for ms, jpeg in found.items() if ms in PICTURES)
    return f"{len(found)} pictures"


BUNDLES = Target("bundles", _seeds, _read)
