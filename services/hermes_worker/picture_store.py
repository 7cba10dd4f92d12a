"""The pictures of cameras in the store, beside the snapshots of their memories.

A picture that is missing or damaged is absent, and nothing else: neither a
checkpoint nor a restore fails for it.
"""

from __future__ import annotations

from hermes.errors import SnapshotCorrupt, SnapshotMismatch
from services.common import logs
from services.common.leases import Lease
from services.hermes_worker.checkpoints import epoch_of, folder_of
from services.hermes_worker.kept_pictures import MAX_PICTURE_BYTES
from services.hermes_worker.picture_bundle import HEADER_LIMIT, decode, encode
from services.hermes_worker.picture_shelf import BUNDLE_BYTES
from services.hermes_worker.snapshot_store import SnapshotStore
from services.hermes_worker.tenure import Tenure

log = logs.get(__name__)

SUFFIX = ".pictures"
LIMIT_BYTES = BUNDLE_BYTES + MAX_PICTURE_BYTES + HEADER_LIMIT
"""A bundle is not larger."""
LOOKS = 3
"""So often the store is listed while its owner replaces bundles by others."""


class PictureStore:
    """Writes pictures that are not in the store yet, and reads those that are."""

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store

    # -- on the checkpoint thread --------------------------------------------

    def save(self, tenure: Tenure, lease: Lease, now_ms: int) -> list[str]:
        """Write the camera's new pictures. Which bundles `sweep` may then delete.

        Called before the checkpoint is committed, so that what the snapshot holds
        has its pictures. Never raises: what fails is tried again with the next.
        """
        shelf, camera = tenure.shelf, tenure.camera
        if shelf.listed_for != lease.epoch:
            return []  # what the store has is not known yet
        pictures = tenure.pictures.all()
        plan = shelf.plan({ms: len(jpeg) for ms, jpeg in pictures.items()})
        for times in plan.write:
            path = f"{folder_of(camera)}/{lease.epoch}-{now_ms}-{times[0]}{SUFFIX}"
            part = {ms: pictures[ms] for ms in times}
            try:
                self._store.write(path, encode(part, folder_of(camera)))
            except Exception as error:  # each file system has its own
                _warn("pictures_not_written", tenure, error)
                return []
            shelf.add(path, {ms: len(jpeg) for ms, jpeg in part.items()})
        return list(plan.drop)

    def sweep(self, tenure: Tenure, outdated: list[str]) -> None:
        """Delete bundles whose pictures lie in others by now, or are not kept any more."""
        for path in outdated:
            try:
                self._store.delete(path)
            except Exception as error:
                _warn("pictures_not_deleted", tenure, error)
                return
            tenure.shelf.remove(path)

    # -- on the loader's thread ----------------------------------------------

    def load(self, tenure: Tenure) -> None:
        """Read the camera's pictures that are not known here. Raises as the file system does."""
        lease, shelf, folder = tenure.lease, tenure.shelf, folder_of(tenure.camera)
        epoch = 0 if lease is None else lease.epoch
        for _ in range(LOOKS):
            known = set(shelf.paths)
            found = self._store.files(tenure.camera.id, SUFFIX)
            own = [path for path in found if path.startswith(f"{folder}/")]
            for path in known.difference(own):
                shelf.remove(path)
            if lease is not None:
                kept = own if tenure.pictures.limit_bytes else []
                self._delete(set(found).difference(kept), epoch)
            there = [self._read(tenure, path) for path in _newest_first(own) if path not in known]
            if all(there):
                break  # else pictures of a bundle that is gone lie in a newer one: look again
        shelf.listed_for = epoch

    def _delete(self, paths: set[str], epoch: int) -> None:
        """Of an earlier camera with the same id; all, if no pictures are to be kept."""
        for path in paths:
            if epoch_of(path.rpartition("/")[2]) <= epoch:
                self._store.delete(path)

    def _read(self, tenure: Tenure, path: str) -> bool:
        """Take over a bundle's pictures. False if it is not there."""
        if tenure.handle.closed or not tenure.pictures.limit_bytes:
            return True
        try:
            pictures = decode(self._store.read(path, LIMIT_BYTES), folder_of(tenure.camera))
        except FileNotFoundError:
            return False
        except PermissionError as error:
            _warn("pictures_unusable", tenure, error)
            return True
        except (SnapshotCorrupt, SnapshotMismatch) as error:
            _warn("pictures_unusable", tenure, error)
            pictures = {}  # so that the file goes with the next checkpoint
        for ms, jpeg in pictures.items():
            tenure.pictures.restore(ms, jpeg)
        tenure.shelf.add(path, {ms: len(jpeg) for ms, jpeg in pictures.items()})
        return True


def _newest_first(paths: list[str]) -> list[str]:
    return sorted(paths, key=lambda path: path.rpartition("/")[2].split("-")[1:2], reverse=True)


def _warn(event: str, tenure: Tenure, error: Exception) -> None:
    log.warning(event, camera=tenure.camera.id, error=f"{type(error).__name__}: {error}")
