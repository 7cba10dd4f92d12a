"""The blocks of our pages that are marked to be run, run as a reader would run them."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hermes.client import HermesClient
from services.cli.film import film
from services.cli.main import app
from services.cli.worlds import scene_at_rest
from tests.integration.cli.test_demo import environment
from tests.support import tiny, video
from tests.support.pages import ROOT, Block, blocks, sessions
from tests.support.waiting import eventually

HUB = "llava-hf/llava-onevision-qwen2-7b-ov-hf"
CAMERA = "rtsp://user:secret@10.0.0.7/stream1"
DOOR = "127.0.0.1:8000"
STARTED_S = 90.0


def block(name: str) -> Block:
    (found,) = [block for block in blocks() if block.name == name]
    return found


def execute(name: str, replacing: dict[str, str], names: dict[str, object]) -> dict[str, object]:
    """Run a Python block. What it leaves in its namespace."""
    code = block(name).text
    for old, new in replacing.items():
        assert old in code
        code = code.replace(old, new)
    exec(compile(code, block(name).where, "exec"), names)
    return names


def test_make_demo_is_hermes_demo() -> None:
    """tests/integration/cli/test_demo.py runs it."""
    assert block("demo").commands == [["make", "demo"]]
    done = subprocess.run(
        ["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.search(r"bin/hermes demo\s*$", done.stdout, re.M)


# -- the library ---------------------------------------------------------------


def test_the_library_without_a_video(capsys: pytest.CaptureFixture[str]) -> None:
    execute("library", {}, {})
    answer, choices, coverage = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"an? \w+ \w+", answer)
    assert choices.startswith("(ChoiceProbability(text='yes', probability=")
    assert coverage.startswith("Coverage(")


def test_the_library_with_a_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = video.write(tmp_path / "dock.mp4", frames=100)
    replacing = {HUB: str(tiny.folder()), ', device="cuda"': "", "recordings/dock.mp4": str(path)}
    memory = execute("library-video", replacing, {})["memory"]
    assert memory.coverage().frames_seen == 4  # type: ignore[attr-defined]
    assert capsys.readouterr().out.count("\n") == 1


def test_the_page_on_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    replacing = {HUB: str(tiny.folder()), ', device="cuda"': ""}
    names = execute("memory", replacing, {"frames": tiny.pictures(20)})
    assert "whole_since_ms=0" in capsys.readouterr().out
    execute("memory-snapshot", {}, names)
    assert (tmp_path / "memory.png").stat().st_size > 1000


# -- everything on this machine --------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder: an installed `.venv`, and recordings."""
    made = tmp_path_factory.mktemp("reader")
    (made / ".venv").symlink_to(sys.prefix)
    (made / "recordings").mkdir()
    for name in ("lobby", "dock"):
        film(scene_at_rest(name, 1), made / "recordings" / f"{name}.mp4")
    return made


@pytest.fixture(scope="module")
def http() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture(scope="module")
def address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def shell(
    folder: Path, text: str, address: str, log: Path, http: str = "off"
) -> subprocess.Popen[bytes]:
    """Begin a block of commands; the first that fails ends it. Our ports, and a camera we have."""
    text = text.replace(CAMERA, "recordings/lobby.mp4").replace(DOOR, http)
    text = text.replace("hermes up ", f"exec hermes up --listen {address} --http {http} ")
    with log.open("wb") as written:
        return subprocess.Popen(
            ["bash", "-euc", text],
            cwd=folder,
            env={**environment(folder), "HERMES_GATEWAY": address, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture(scope="module")
def running(folder: Path, address: str, http: str) -> Iterator[str]:
    """The address of what `hermes up` of the README runs."""
    log = folder / "up.log"
    process = shell(folder, block("up").text, address, log, http)

    def up() -> bool:
        assert process.poll() is None, log.read_text()
        return "Ask away" in log.read_text()

    try:
        eventually(up, STARTED_S, "hermes up")
        yield address
    finally:
        process.terminate()
        process.wait(60)


def test_the_tour(folder: Path, running: str) -> None:
    log = folder / "tour.log"
    process = shell(folder, block("tour").text, running, log)
    code, said = process.wait(90), log.read_text()
    assert code == 0, said
    assert re.search(r"^an? \w+ \w+$", said, re.M), said
    assert '"camera": "lobby"' in said or '{"' in said, said


def test_the_client(running: str, capsys: pytest.CaptureFixture[str]) -> None:
    execute("client", {"127.0.0.1:50051": running}, {})
    assert "Timings(" in capsys.readouterr().out


def test_the_page_on_asking(
    folder: Path, running: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each answer on the page is what the demo's model says of the film."""
    execute("asking-client", {"127.0.0.1:50051": running}, {})
    assert "a blue triangle" in capsys.readouterr().out
    monkeypatch.chdir(folder)
    asked = 0
    for command, shown in sessions("docs/asking.md"):
        program, *words = shlex.split(command)
        if program == "cat":
            Path(words[0]).write_text("\n".join(shown))
        elif words[0] == "ask":
            done = CliRunner().invoke(app, [*words, "--gateway", running])
            assert done.exit_code == 0, done.output
            said = done.stdout.splitlines()
            assert said == shown[: len(said)], command
            asked += 1
    assert asked >= 5
    with HermesClient(running) as client:
        answer = client.ask(
            "lobby", "What came first?", evidence=1, evidence_pictures=True
        ).result()
    assert answer.evidence is not None
    (frame,) = answer.evidence.frames
    assert frame.picture.startswith(b"\xff\xd8")  # a JPEG


def test_the_page_on_http(
    folder: Path, running: str, http: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = {DOOR: http}
    names = execute("http-openai", ours, {})
    execute("http-openai-choices", {}, names)
    names["client"].close()  # type: ignore[attr-defined]
    execute("http-mcp", ours, {"__name__": "page"})
    said = capsys.readouterr().out
    assert len(re.findall(r"^an? \w+ \w+$", said, re.M)) == 2, said
    assert re.search(r"^\d+ frames$", said, re.M), said
    assert re.search(r"^day \d\.\d+$", said, re.M), said
    log = folder / "curl.log"
    process = shell(folder, block("http-curl").text, running, log, http)
    assert process.wait(60) == 0, log.read_text()
    assert '"answer_tokens"' in log.read_text()
    assert (folder / "lobby.jpg").read_bytes().startswith(b"\xff\xd8")
    assert (folder / "memory.svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_the_page_on_models(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/unit/vlm/test_models_tour.py runs all but the pipeline."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "lobby.mp4").symlink_to(folder / "recordings" / "lobby.mp4")
    monkeypatch.chdir(tmp_path)
    execute("models", {}, {})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    log = tmp_path / "up.log"
    installed = 'PATH="$PWD/.venv/bin:$PATH"\n'
    process = shell(tmp_path, installed + block("models-check").text, address, log)

    def up() -> bool:
        assert process.poll() is None, log.read_text()
        return "Ask away" in log.read_text()

    try:
        eventually(up, STARTED_S, "hermes up")
    finally:
        process.terminate()
        process.wait(60)


# -- small things ------------------------------------------------------------------


def test_a_token(tmp_path: Path) -> None:
    (words,) = block("token").commands
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", *words[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "sha256" in done.stdout + done.stderr


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(
        ["bash", "-euc", block("certificates").text], cwd=tmp_path, check=True, capture_output=True
    )
    made = {path.name for path in tmp_path.iterdir()}
    assert made >= {
        f"{name}.{kind}" for name in ("ca", "worker", "gateway") for kind in ("crt", "key")
    }
    monkeypatch.chdir(tmp_path)
    from hermes.client import Tls

    names: dict[str, object] = {"HermesClient": HermesClient, "Tls": Tls, "Path": Path}
    code = f"client = {block('tls-client').text.strip()}"
    exec(compile(code, block("tls-client").where, "exec"), names)
    names["client"].close()  # type: ignore[attr-defined]
