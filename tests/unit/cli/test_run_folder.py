"""The folder of one run: nothing stays, but for the logs of a failure."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from services.cli.processes import StartFailed
from services.cli.run_folder import temporary_folder


def fill(folder: Path) -> None:
    for name in ("logs/worker.log", "redis/redis.log", "redis/aof/data.aof", "worker.json"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("it")


def left(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_nothing_stays(error: type[BaseException] | None) -> None:
    try:
        with temporary_folder("hermes-test-") as folder:
            fill(folder)
            if error is not None:
                raise error
    except (KeyboardInterrupt, ValueError):
        pass
    assert not folder.exists()


def test_the_logs_of_a_failure_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    fill(outside)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run() -> None:
        with temporary_folder("hermes-test-") as folder:
            fill(folder)
            (folder / "link").symlink_to(outside)
            raise StartFailed("the worker ended")

    with pytest.raises(StartFailed):
        run()
    (folder,) = tmp_path.glob("hermes-test-*")
    assert left(folder) == ["logs/worker.log", "redis/redis.log"]
    assert len(left(outside)) == 4
