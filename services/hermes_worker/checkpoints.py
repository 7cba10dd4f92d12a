"""A camera's checkpoints: snapshots in the store, and in Redis which of them count.

A snapshot names its camera and the last log entry that it holds. Redis accepts
its path only under the camera's lease: what a former owner writes counts for
nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import redis

from hermes.engine import Snapshot
from hermes.engine.snapshot import decode, encode
from hermes.errors import SnapshotCorrupt
from hermes.memory import MemoryState
from hermes.v1.camera_pb2 import Camera
from services.common import keys, logs
from services.common.frame_log import Fenced
from services.common.known_fields import known_fields
from services.common.leases import Lease
from services.common.scripts import load_script
from services.hermes_worker.log_position import LogPosition
from services.hermes_worker.snapshot_store import SUFFIX, SnapshotStore

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A snapshot that counts. `id`: the last log entry in it. `epoch`: of the lease under which
    it was taken."""

    path: str
    id: str
    epoch: int
    taken_ms: int
    bytes: int


class Checkpoints:
    """Writes checkpoints, finds them, and deletes old ones."""

    def __init__(self, client: redis.Redis, store: SnapshotStore, keep: int) -> None:
        self._redis = client
        self._store = store
        self._keep = keep
        self._commit = load_script(client, "checkpoint")

    def commit(self, camera: Camera, lease: Lease, snapshot: Snapshot, now_ms: int) -> Checkpoint:
        """Write a snapshot, and make it the newest of its camera.

        Raises `Fenced` if the lease is not ours any more, `redis.RedisError`,
        and whatever the store's file system does: then nothing has changed.
        """
        position = LogPosition.parse(snapshot.cursor)
        path = f"{folder_of(camera)}/{lease.epoch}-{position.id}-{now_ms}{SUFFIX}"
        data = encode(_signed(snapshot, camera))
        self._store.write(path, data)
        made = Checkpoint(path, str(position.id), lease.epoch, now_ms, len(data))
        dropped = self._commit(
            keys=[keys.checkpoint(camera.id), keys.lease(camera.id, "worker")],
            args=[
                lease.fence.instance,
                lease.epoch,
                json.dumps(asdict(made)),
                made.id,
                self._keep,
            ],
        )
        if dropped == b"FENCED":
            if made not in self.of(
                camera
            ):  # else the first try got through, and another worker has taken over since
                self._store.delete(path)
            raise Fenced
        for entry in dropped:
            self._forget(entry)
        return made

    def of(self, camera: Camera) -> list[Checkpoint]:
        """The checkpoints that count, the newest first. Raises `redis.RedisError`."""
        raw = self._redis.hget(keys.checkpoint(camera.id), "snapshots")
        if not isinstance(raw, bytes):
            return []
        try:
            entries = list(json.loads(raw))
        except (ValueError, TypeError):
            log.error("checkpoints_unreadable", camera=camera.id)
            return []
        found = []
        for entry in entries:
            try:
                found.append(_parse(entry))
            except (ValueError, TypeError):  # the others may be whole
                log.error("checkpoint_entry_unreadable", camera=camera.id)
        # A camera may have been removed and its id used again: older paths are another camera's.
        return [one for one in found if one.path.startswith(f"{folder_of(camera)}/")]

    def load(self, camera: Camera, checkpoint: Checkpoint, limit_bytes: int) -> Snapshot:
        """Raises OSError, `SnapshotCorrupt` and `SnapshotMismatch`."""
        state = decode(self._store.read(checkpoint.path, limit_bytes), limit_bytes=limit_bytes)
        signed = state.header.get("taken")
        if not isinstance(signed, dict) or signed.get("camera") != folder_of(camera):
            raise SnapshotCorrupt("the snapshot is of another camera")
        try:
            position = LogPosition.parse(str(signed.get("place")))
        except ValueError as error:
            raise SnapshotCorrupt(str(error)) from error
        return Snapshot(state, str(position))

    def tidy(self, camera: Camera, lease: Lease) -> None:
        """Delete files that count for nothing: their writer died, their commit failed, or they are
        of an earlier camera with the same id. Not while a commit of this camera is under way.

        Raises as the file system does, and `redis.RedisError`.
        """
        counting = {one.path for one in self.of(camera)}
        for path in self._store.files(camera.id):
            stem = path.rpartition("/")[2]
            if path not in counting and epoch_of(stem) <= lease.epoch:
                self._store.delete(path)

    def remove(self, camera: Camera) -> None:
        """Delete all snapshots of a camera that was removed."""
        self._store.delete_folder(folder_of(camera))

    def _forget(self, entry: bytes) -> None:
        try:
            self._store.delete(_parse(entry).path)
        except Exception as error:  # each file system has its own: it is tidied up later
            log.warning("checkpoint_not_deleted", error=str(error))


def _parse(entry: str | bytes) -> Checkpoint:
    """From an entry of the record. Raises ValueError or TypeError."""
    made = Checkpoint(**known_fields(Checkpoint, json.loads(entry)))
    if not isinstance(made.path, str):
        raise TypeError("a path is a text")
    return made


def folder_of(camera: Camera) -> str:
    """The folder of this camera's snapshots. A later camera with the same id has another one."""
    return f"{camera.id}/{camera.created.ToMilliseconds()}"


def _signed(snapshot: Snapshot, camera: Camera) -> MemoryState:
    taken = {"camera": folder_of(camera), "place": snapshot.cursor}
    return MemoryState({**snapshot.state.header, "taken": taken}, snapshot.state.tensors)


def epoch_of(stem: str) -> int:
    """The epoch of the lease under which a file of this name was written; 0 if it has none."""
    epoch = stem.partition("-")[0]
    return int(epoch) if epoch.isdecimal() else 0
