"""Pictures in the store: written once, found by the next owner, gone with memory and camera."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.hermes_worker.checkpoints import folder_of
from services.hermes_worker.kept_pictures import MAX_PICTURE_BYTES
from services.hermes_worker.picture_bundle import decode, encode
from services.hermes_worker.picture_shelf import BUNDLE_BYTES, PictureShelf
from services.hermes_worker.picture_store import SUFFIX, PictureStore
from services.hermes_worker.snapshot_store import SnapshotStore
from tests.support.examples import at_most
from tests.support.picture_shelves import StillMemory, lease_of, tenure_of, watched

FRAMES = {1000: b"one", 2000: b"two", 3000: b"three"}


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SnapshotStore:
    urls = {"folder": str(tmp_path / "kept"), "memory": f"memory://{tmp_path.name}/kept"}
    return SnapshotStore(urls[request.param])


def kept(store: SnapshotStore, frames: dict[int, bytes] = FRAMES) -> StillMemory:
    """The memory of an owner that has put its pictures into the store."""
    memory = StillMemory()
    tenure, pictures = tenure_of(memory), PictureStore(store)
    pictures.load(tenure)
    watched(memory, tenure, frames)
    assert pictures.save(tenure, lease_of("lobby", 7), now_ms=5) == []
    return memory


def test_the_next_owner_has_the_pictures_of_what_memory_holds(store: SnapshotStore) -> None:
    memory = kept(store)
    memory.table.retain([0, 2], 2)
    successor = tenure_of(memory, epoch=8)
    assert successor.pictures.get(0) is None
    PictureStore(store).load(successor)
    found = [successor.pictures.get(number) for number in range(3)]
    assert found == [b"one", None, b"three"]


def test_a_picture_is_written_once(store: SnapshotStore) -> None:
    memory = StillMemory()
    tenure, pictures = tenure_of(memory), PictureStore(store)
    pictures.load(tenure)
    for number in range(4):
        watched(memory, tenure, {1000 * number: bytes([number]) * 10})
        pictures.sweep(tenure, pictures.save(tenure, lease_of("lobby", 7), now_ms=number))
        pictures.save(tenure, lease_of("lobby", 7), now_ms=100 + number)
    files = store.files("lobby", SUFFIX)
    read = [decode(store.read(path, BUNDLE_BYTES), folder_of(tenure.camera)) for path in files]
    assert sorted(sorted(one) for one in read) == [[0], [1000], [2000], [3000]]


def test_pictures_that_memory_forgot_leave_the_store(store: SnapshotStore) -> None:
    memory = StillMemory()
    tenure, pictures = tenure_of(memory), PictureStore(store)
    pictures.load(tenure)
    watched(memory, tenure, {1000 * number: bytes([number]) * 10 for number in range(8)})
    pictures.sweep(tenure, pictures.save(tenure, lease_of("lobby", 7), now_ms=1))
    memory.table.retain([1, 5], 5)
    pictures.sweep(tenure, pictures.save(tenure, lease_of("lobby", 7), now_ms=2))
    (path,) = store.files("lobby", SUFFIX)
    data = store.read(path, BUNDLE_BYTES)
    assert sorted(decode(data, folder_of(tenure.camera))) == [1000, 5000]
    memory.table.retain([], 8)
    pictures.sweep(tenure, pictures.save(tenure, lease_of("lobby", 7), now_ms=3))
    assert store.files("lobby", SUFFIX) == []


def test_what_an_owner_writes_until_the_handover_reaches_its_successor(
    store: SnapshotStore,
) -> None:
    memory = kept(store)
    successor, pictures = tenure_of(memory, epoch=0), PictureStore(store)
    pictures.load(successor)
    assert successor.pictures.get(2) == b"three"
    owner = tenure_of(memory)
    PictureStore(store).load(owner)
    watched(memory, owner, {4000: b"four"})
    pictures.save(owner, lease_of("lobby", 7), now_ms=6)
    successor.gained(lease_of("lobby", 8))
    assert successor.shelf.listed_for == 0
    pictures.load(successor)
    assert successor.shelf.listed_for == 8
    assert successor.pictures.get(3) == b"four"


def test_nothing_is_written_before_the_store_was_looked_through(store: SnapshotStore) -> None:
    memory = StillMemory()
    tenure = tenure_of(memory)
    watched(memory, tenure, FRAMES)
    assert PictureStore(store).save(tenure, lease_of("lobby", 7), now_ms=5) == []
    assert store.files("lobby", SUFFIX) == []


def test_a_bundle_that_is_replaced_while_it_is_read_is_found_in_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SnapshotStore(str(tmp_path))
    memory = kept(store)
    (old,) = store.files("lobby", SUFFIX)
    data, read = store.read(old, BUNDLE_BYTES), store.read
    newer = old.replace("7-5-", "7-6-")

    def replaced(path: str, limit_bytes: int) -> bytes:
        if path == old:
            store.delete(old)
            store.write(newer, data)
        return read(path, limit_bytes)

    monkeypatch.setattr(store, "read", replaced)
    successor = tenure_of(memory, epoch=8)
    PictureStore(store).load(successor)
    assert successor.pictures.all() == FRAMES
    assert successor.shelf.paths == [newer]


def test_a_damaged_picture_is_absent_and_the_others_are_there(tmp_path: Path) -> None:
    store = SnapshotStore(str(tmp_path))
    memory = kept(store)
    (path,) = (tmp_path / "lobby").rglob(f"*{SUFFIX}")
    path.write_bytes(path.read_bytes().replace(b"two", b"owt"))
    successor, pictures = tenure_of(memory, epoch=8), PictureStore(store)
    pictures.load(successor)
    assert successor.pictures.all() == {1000: b"one", 3000: b"three"}
    path.write_bytes(b"nonsense")
    last = tenure_of(memory, epoch=9)
    pictures.load(last)
    assert last.pictures.all() == {}
    pictures.sweep(last, pictures.save(last, lease_of("lobby", 9), now_ms=9))
    assert store.files("lobby", SUFFIX) == []


def test_pictures_of_an_earlier_camera_with_the_same_id_are_deleted(store: SnapshotStore) -> None:
    kept(store)
    later = tenure_of(StillMemory(), created_ms=1_700_000_009_000, epoch=0)
    PictureStore(store).load(later)
    assert len(store.files("lobby", SUFFIX)) == 1  # only the owner deletes
    later.gained(lease_of("lobby", 9))
    PictureStore(store).load(later)
    assert store.files("lobby", SUFFIX) == []


def test_all_pictures_go_once_none_are_to_be_kept(store: SnapshotStore) -> None:
    memory = kept(store)
    PictureStore(store).load(tenure_of(memory, epoch=8, kept_pictures=0))
    assert store.files("lobby", SUFFIX) == []


def test_only_the_worker_can_read_them(tmp_path: Path) -> None:
    kept(SnapshotStore(str(tmp_path / "kept")))
    found = [tmp_path / "kept", *(tmp_path / "kept").rglob("*")]
    modes = {stat.S_IMODE(os.stat(path).st_mode) for path in found if path.is_file()}
    folders = {stat.S_IMODE(os.stat(path).st_mode) for path in found if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})


def test_a_store_that_fails_costs_pictures_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, memory = SnapshotStore(str(tmp_path)), StillMemory()
    tenure, pictures = tenure_of(memory), PictureStore(store)
    pictures.load(tenure)
    watched(memory, tenure, FRAMES)

    def full(path: str, data: bytes) -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(store, "write", full)
        assert pictures.save(tenure, lease_of("lobby", 7), now_ms=5) == []
    pictures.save(tenure, lease_of("lobby", 7), now_ms=6)
    assert len(store.files("lobby", SUFFIX)) == 1


def test_many_pictures_go_into_several_bundles() -> None:
    large = dict.fromkeys(range(10), MAX_PICTURE_BYTES)
    parts = PictureShelf().plan(large).write
    assert [ms for part in parts for ms in part] == list(range(10))
    assert len(parts) == 3
    assert all(sum(large[ms] for ms in part) <= BUNDLE_BYTES for part in parts)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.integers(0, 60), st.integers(1, 40), max_size=12),
            st.sets(st.integers(0, 60)),
        ),
        max_size=20,
    )
)
@settings(max_examples=at_most(200), deadline=None)
def test_the_store_holds_what_is_kept_and_less_than_as_much_again(
    steps: list[tuple[dict[int, int], set[int]]],
) -> None:
    """Each step brings pictures, and forgets some; then the store is brought up to date."""
    shelf, kept, written = PictureShelf(), dict[int, int](), dict[str, dict[int, int]]()
    for number, (new, forgotten) in enumerate(steps):
        kept = {ms: size for ms, size in kept.items() if ms not in forgotten}
        kept |= {ms + 100 * number: size for ms, size in new.items()}
        plan = shelf.plan(kept)
        for times in plan.write:
            path = f"{len(written)}-{number}"
            written[path] = {ms: kept[ms] for ms in times}
            shelf.add(path, written[path])
        for path in plan.drop:
            shelf.remove(path)
        stored = [written[path] for path in shelf.paths]
        assert kept.keys() <= {ms for bundle in stored for ms in bundle}
        total = sum(sum(bundle.values()) for bundle in stored)
        assert total < 2 * sum(kept.values()) or total == sum(kept.values())
        assert shelf.plan(kept).write == []


@given(st.dictionaries(st.integers(0, 2**53), st.binary(min_size=1, max_size=50), max_size=6))
@settings(max_examples=at_most(100), deadline=None)
def test_a_bundle_is_read_as_it_was_written(pictures: dict[int, bytes]) -> None:
    assert decode(encode(pictures, "lobby/7"), "lobby/7") == pictures
