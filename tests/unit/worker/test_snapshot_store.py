"""The store, on a local folder and on another kind of file system."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from hermes.errors import InvalidInput, SnapshotCorrupt, SnapshotMismatch
from services.hermes_worker.snapshot_store import SnapshotStore


@pytest.fixture(params=["folder", "file URL", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SnapshotStore:
    urls = {
        "folder": str(tmp_path / "kept"),
        "file URL": f"file://{tmp_path}/kept",
        "memory": f"memory://{tmp_path.name}/kept",
    }
    return SnapshotStore(urls[request.param])


def test_a_file_is_found_and_read_until_it_is_deleted(store: SnapshotStore) -> None:
    store.check()
    assert store.files("lobby") == []
    store.write("lobby/7/a.safetensors", b"abc")
    store.write("lobby/8/b.safetensors", b"")
    store.write("dock/1/c.safetensors", b"c")
    assert sorted(store.files("lobby")) == ["lobby/7/a.safetensors", "lobby/8/b.safetensors"]
    assert store.read("lobby/7/a.safetensors", 3) == b"abc"
    store.delete("lobby/7/a.safetensors")
    store.delete("lobby/7/a.safetensors")
    with pytest.raises(FileNotFoundError):
        store.read("lobby/7/a.safetensors", 3)
    store.delete_folder("lobby")
    store.delete_folder("lobby")
    assert store.files("lobby") == []
    assert store.files("dock") == ["dock/1/c.safetensors"]


def test_a_file_larger_than_expected_is_not_read(store: SnapshotStore) -> None:
    store.write("lobby/7/a.safetensors", b"abc")
    with pytest.raises(SnapshotMismatch, match="3 bytes; one for this memory has 2"):
        store.read("lobby/7/a.safetensors", 2)


@pytest.mark.parametrize("path", ["/etc/passwd", "../other", "lobby/../../other"])
def test_paths_outside_the_store_are_refused(store: SnapshotStore, path: str) -> None:
    for operation in (lambda: store.read(path, 9), lambda: store.delete(path)):
        with pytest.raises(PermissionError, match="outside"):
            operation()


def test_a_half_written_file_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SnapshotStore(str(tmp_path))
    opened = store._fs.open

    def full(*arguments: Any, **options: Any) -> Any:
        file = opened(*arguments, **options)
        file.write(b"half")

        def refuse(data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        file.write = refuse
        return file

    monkeypatch.setattr(store._fs, "open", full)
    with pytest.raises(OSError, match="No space"):
        store.write("lobby/7/a.safetensors", b"whole")
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_a_url_that_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="checkpoint_url"):
        SnapshotStore("nonsense://user:secret@host/folder")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInput, match="cannot be written to"):
        SnapshotStore(str(tmp_path / "file" / "below")).check()


def test_no_password_is_shown() -> None:
    with pytest.raises(InvalidInput) as caught:
        SnapshotStore("nonsense://user:hunter2@host/folder")
    assert "hunter2" not in str(caught.value)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_only_their_user_may_read_snapshots(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        store = SnapshotStore(str(tmp_path / "state" / "kept"))
        store.write("lobby/7/a.safetensors", b"abc")
    finally:
        os.umask(before)
    folder = tmp_path / "state"
    assert mode(folder / "kept" / "lobby" / "7" / "a.safetensors") == 0o600
    for made in (folder, folder / "kept", folder / "kept" / "lobby", folder / "kept/lobby/7"):
        assert mode(made) == 0o700


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    SnapshotStore(str(tmp_path)).write("lobby/7/a.safetensors", b"abc")
    assert mode(tmp_path) == 0o750


def test_a_removed_camera_leaves_no_folder(tmp_path: Path) -> None:
    store = SnapshotStore(str(tmp_path))
    for number in range(20):
        store.write(f"camera-{number}/7/a.safetensors", b"abc")
    store.write("camera-0/8/b.safetensors", b"abc")  # added anew under the same id
    for number in range(20):
        store.delete_folder(f"camera-{number}/7")
    assert [path.name for path in tmp_path.iterdir()] == ["camera-0"]
    assert store.files("camera-0") == ["camera-0/8/b.safetensors"]


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """Opening a pipe would hang."""
    store = SnapshotStore(str(tmp_path))
    (tmp_path / "lobby" / "7").mkdir(parents=True)
    (tmp_path / "lobby" / "7" / "folder.safetensors").mkdir()
    os.mkfifo(tmp_path / "lobby" / "7" / "pipe.safetensors")
    for name in ("folder", "pipe"):
        with pytest.raises(SnapshotCorrupt, match="no file"):
            store.read(f"lobby/7/{name}.safetensors", 9)
    (tmp_path / "dock").write_bytes(b"")  # where a folder should be
    with pytest.raises((NotADirectoryError, FileNotFoundError)):
        store.read("dock/7/a.safetensors", 9)
