"""Cameras' URLs are sealed, opened and resolved; errors show no credential."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from services.common.camera_credentials import CameraCredentials, CannotOpen
from services.common.cameras import SourcePolicy, check_url
from services.common.files import UnusableFile
from services.common.redaction import redact

URLS = [
    "rtsp://user:hunter2@10.0.0.7/stream1",
    "rtsps://user:hun@t/er2@cam.example:322/a?b=c",
    "http://cam.example/live?user=a&password=hunter2",
    "https://u:hunter2@cam.example/live?token=hunter2#x",
    "rtsp://hunter2@10.0.0.7/a@b",
]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_bytes(Fernet.generate_key() + b"\n")
    return file


@pytest.mark.parametrize("url", URLS)
def test_a_sealed_url_shows_no_credential_and_opens_unchanged(keys: Path, url: str) -> None:
    credentials = CameraCredentials(keys)
    sealed = credentials.seal(url)
    assert "hunter2" not in sealed
    assert "er2" not in sealed.partition("}@")[2]
    check_url(sealed, SourcePolicy())
    host = redact(url).partition("://")[2].removeprefix("***@")
    assert redact(sealed) == f"{url.partition(':')[0]}://***@{host}"
    assert CameraCredentials(keys).open(sealed) == url


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> CameraCredentials:
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_bytes(Fernet.generate_key())
    return CameraCredentials(file)


@given(userinfo=st.text(st.characters(codec="ascii", exclude_categories=("C", "Z")), min_size=1))
def test_any_credentials_survive_sealing(keyed: CameraCredentials, userinfo: str) -> None:
    url = f"rtsp://{userinfo}@10.0.0.7/stream1"
    assert keyed.open(keyed.seal(url)) == url
    assert keyed.seal(url) != url


@pytest.mark.parametrize(
    "url", ["rtsp://10.0.0.7/stream1", "http://cam.example/live/5", "dock.mp4", "file:///a@b"]
)
def test_a_url_without_credentials_is_not_changed(keys: Path, url: str) -> None:
    for credentials in (CameraCredentials(keys), CameraCredentials()):
        assert credentials.seal(url) == url
        assert credentials.open(url) == url


def test_without_a_key_nothing_is_sealed() -> None:
    assert CameraCredentials().seal(URLS[0]) == URLS[0]
    assert CameraCredentials().open(URLS[0]) == URLS[0]


def test_keys_are_rotated(keys: Path, tmp_path: Path) -> None:
    old = CameraCredentials(keys).seal(URLS[0])
    both = tmp_path / "both"
    both.write_bytes(Fernet.generate_key() + b"\n\n" + keys.read_bytes())
    rotated = CameraCredentials(both)
    assert rotated.open(old) == URLS[0]
    new = rotated.seal(URLS[0])
    assert rotated.open(new) == URLS[0]
    with pytest.raises(CannotOpen, match="no key here opens them"):
        CameraCredentials(keys).open(new)
    keys.write_bytes(both.read_bytes())  # the file is read again
    assert CameraCredentials(keys).open(new) == URLS[0]


def test_a_decoder_without_the_key_raises(keys: Path, tmp_path: Path) -> None:
    sealed = CameraCredentials(keys).seal(URLS[0])
    with pytest.raises(CannotOpen, match="HERMES_CREDENTIALS_KEY_FILE"):
        CameraCredentials().open(sealed)
    with pytest.raises(CannotOpen, match="no key here opens them"):
        CameraCredentials(tmp_path / "gone").open(sealed)


def test_a_sealed_url_cannot_be_moved_to_another_host(keys: Path) -> None:
    """A person who can write to Redis cannot have the credentials sent to another host."""
    credentials = CameraCredentials(keys)
    stolen = credentials.seal(URLS[0]).replace("10.0.0.7", "evil.example")
    assert "evil" not in credentials.open(stolen)
    token = stolen.partition("sealed:")[2].partition("}")[0]
    with pytest.raises(CannotOpen):
        credentials.open(stolen.replace(token, token[:-9] + "A" * 9))


@pytest.mark.parametrize("text", ["", "short", "x" * 44, "\xff"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(UnusableFile, match=f"{file} must hold keys"):
        CameraCredentials(file).check()
    with pytest.raises(UnusableFile, match="none cannot be read"):
        CameraCredentials(tmp_path / "none").check()


def test_a_reference_is_resolved_from_its_file(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "site-a").write_text("oper@tor: pa/55 \n\n10.0.0.*\nCAM.example\n")
    credentials = CameraCredentials(None, tmp_path)
    url = "rtsp://${secret:site-a}@%s:554/1?x=y"
    expected = "rtsp://oper%%40tor:%%20pa%%2F55@%s:554/1?x=y"
    for host in ("10.0.0.7", "cam.example", "Cam.Example"):
        check_url(url % host, SourcePolicy())
        assert credentials.open(url % host) == expected % host
        assert "oper@tor: pa/55" in credentials.secrets
    assert redact(url % "h") == "rtsp://***@h:554/1?x=***"
    sealed = CameraCredentials(keys).seal(url % "10.0.0.7")
    assert CameraCredentials(keys, tmp_path).open(sealed) == expected % "10.0.0.7"


REFUSED = {
    "rtsp://${secret:site-a}@evil.example/": "not for the host 'evil.example'",
    "rtsp://${secret:site-a}@10.0.0.7@evil.example/": "not for the host",
    "rtsp://${secret:site-a}@evil.example/@10.0.0.7": "not for the host",
    "rtsp://${secret:nowhere}@10.0.0.7/": "not for the host '10.0.0.7'",
    "rtsp://${secret:none}@10.0.0.7/": "there is no secret 'none'",
    "rtsp://${secret:folder}@10.0.0.7/": "there is no secret 'folder'",
    "rtsp://${secret:bytes}@10.0.0.7/": "there is no secret 'bytes'",
    "rtsp://${secret:../site-a}@10.0.0.7/": "cannot be the name of a secret",
    "rtsp://${secret:}@10.0.0.7/": "cannot be the name of a secret",
    "rtsp://${secret:bare}@10.0.0.7/": "first line of the secret 'bare' is not user:password",
    "rtsp://${secret:empty}@10.0.0.7/": "first line of the secret 'empty' is not user:password",
}


@pytest.mark.parametrize("url", REFUSED)
def test_a_reference_that_cannot_be_resolved(tmp_path: Path, url: str) -> None:
    (tmp_path / "site-a").write_text("user:hunter2\n10.0.0.7\n")
    (tmp_path / "nowhere").write_text("user:hunter2\n")
    (tmp_path / "bare").write_text("hunter2\n10.0.0.7\n")
    (tmp_path / "empty").touch()
    (tmp_path / "bytes").write_bytes(b"\xff:hunter2\n*")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CannotOpen, match=REFUSED[url]) as error:
        CameraCredentials(None, tmp_path).open(url)
    assert "hunter2" not in str(error.value)
    with pytest.raises(CannotOpen, match="HERMES_CREDENTIALS_FOLDER"):
        CameraCredentials().open(url)
