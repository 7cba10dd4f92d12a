"""How far download and loading have come is told, in bytes and by file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from huggingface_hub import constants

from hermes.errors import InvalidInput
from hermes.vlm import load
from hermes.vlm.load_progress import LoadStep, LoggedProgress
from hermes.vlm.model_folder import ModelFolder
from tests.support import tiny_hub

COMMIT = "c" * 40
FAMILY = "llava_onevision"


def weights(folder: Path) -> list[Path]:
    return list(folder.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (LoadStep("downloading", 3_100_000_000, 15_200_000_000), "downloading 3.1 of 15.2 GB"),
        (LoadStep("downloading", 0, 0), "downloading 0.0 of 0.0 B"),
        (LoadStep("loading", 0, 8_000_000, 4), "loading shard 1 of 4, 0.0 of 8.0 MB"),
        (LoadStep("loading", 3_000_000, 8_000_000, 4), "loading shard 2 of 4, 3.0 of 8.0 MB"),
        (LoadStep("loading", 8_000, 8_000, 4), "loading shard 4 of 4, 8.0 of 8.0 kB"),
    ],
)
def test_a_step_in_words(step: LoadStep, text: str) -> None:
    assert str(step) == text


def test_loading_is_told_from_beginning_to_end() -> None:
    folder, steps = tiny_hub.folder(FAMILY), list[LoadStep]()
    load(folder, progress=steps.append)
    assert {step.doing for step in steps} == {"loading"}
    assert [step.done for step in steps] == sorted({step.done for step in steps})
    assert (steps[0].done, steps[-1].done) == (0, steps[-1].total)
    assert steps[-1].shards == len(weights(folder)) > 1
    assert {step.shard for step in steps} == set(range(1, steps[-1].shards + 1))


def test_lines_are_few_and_begin_late() -> None:
    lines: list[str] = []
    now = 0.0
    progress = LoggedProgress(lines.append, lambda: now)
    for second in range(14):
        now = float(second)
        progress(LoadStep("loading", second, 14, 1))
    assert [line.split(", ")[1] for line in lines] == [
        "2.0 of 14.0 B",
        "7.0 of 14.0 B",
        "12.0 of 14.0 B",
    ]


@contextmanager
def hub(folder: Path, *, status: int = 200, code: str = "") -> Iterator[str]:
    """A hub with one model, or one that refuses it. Gives its address."""
    files = [path for path in folder.iterdir() if path.is_file()]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if status != 200:
                self.reply(b"{}", status)
            elif path.startswith("/api/models/owner/name/tree"):
                tree = [
                    {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "d" * 40}
                    for f in files
                ]
                self.reply(json.dumps(tree).encode())
            elif path.startswith("/api/"):
                names = [{"rfilename": f.name} for f in files]
                found = {"id": "owner/name", "sha": COMMIT, "siblings": names}
                self.reply(json.dumps(found).encode())
            else:
                self.reply((folder / path.rpartition("/")[2]).read_bytes())

        do_HEAD = do_GET  # noqa: N815 - the name is the interface

        def reply(self, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hash(body) & 0xFFFFFFFF:040x}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if code:
                self.send_header("X-Error-Code", code)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no token."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return tmp_path


def test_a_download_is_told_in_bytes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, steps = tiny_hub.folder(FAMILY), list[LoadStep]()
    with hub(folder) as address:
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        found = ModelFolder.find("owner/name", progress=steps.append)
    assert {step.doing for step in steps} == {"downloading"}
    least = sum(path.stat().st_size for path in weights(folder))
    assert max(step.done for step in steps) == max(step.total for step in steps) >= least
    assert found.stored_bytes() == ModelFolder.find(str(folder)).stored_bytes()


@pytest.mark.parametrize(
    ("answer", "environment", "told"),
    [
        ((403, "GatedRepo"), {}, ["is gated", "set HF_TOKEN"]),
        ((403, "GatedRepo"), {"HF_TOKEN": "hf_x"}, ["is gated", "use a token of who did"]),
        ((401, "RepoNotFound"), {}, ["private", "set HF_TOKEN"]),
        ((401, "RepoNotFound"), {"HF_TOKEN": "hf_x"}, ["private", "whether HF_TOKEN may read it"]),
        (None, {"HF_HUB_OFFLINE": "1"}, ["HF_HUB_OFFLINE is set", "HF_HOME"]),
        (None, {}, ["the hub cannot be reached", "HF_HOME"]),
    ],
)
def test_a_refusal_names_what_to_set(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[int, str] | None,
    environment: dict[str, str],
    told: list[str],
) -> None:
    status, code = answer or (200, "")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", "HF_HUB_OFFLINE" in environment)
    if token := environment.get("HF_TOKEN"):
        monkeypatch.setenv("HF_TOKEN", token)
    with hub(tiny_hub.folder(FAMILY), status=status, code=code) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address if answer else "http://127.0.0.1:9")
        with pytest.raises(InvalidInput) as refused:
            ModelFolder.find("owner/name")
    assert all(part in str(refused.value) for part in told), refused.value
    assert "hf_x" not in str(refused.value)
