"""The file of sinks: what it may say, and what is said about its faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.errors import InvalidInput
from services.notifier.sink_config import AlertmanagerConfig, MqttConfig, WebhookConfig
from services.notifier.sinks_file import read_sinks

WHOLE = """\
sinks:
  - name: oncall
    kind: alertmanager
    url: http://alertmanager:9093
    allow_private: true
  - name: app
    kind: webhook
    url: https://app.example/hooks/hermes
    secret_file: app.secret
    token_file: app.token
  - name: home
    kind: mqtt
    host: broker.example
    tls: true
    username: hermes
    password_file: home.password
    discovery: true
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.secret").write_text(f"{SECRET}\nwhsec_{'A' * 32}\n")
    (tmp_path / "app.token").write_text("letmein\n")
    (tmp_path / "home.password").write_text("sesame\n")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "sinks.yaml"
    path.write_text(text)
    return path


def test_a_whole_file(folder: Path) -> None:
    oncall, app, home = read_sinks(written(folder, WHOLE))
    assert isinstance(oncall, AlertmanagerConfig)
    assert oncall.allow_private
    assert isinstance(app, WebhookConfig)
    assert len(app.secrets()) == 2
    assert app.authorization() == {"Authorization": "Bearer letmein"}
    assert not app.allow_private
    assert isinstance(home, MqttConfig)
    assert (home.used_port, home.password()) == (8883, "sesame")


def test_a_password_is_sent_with_its_user(folder: Path) -> None:
    text = WHOLE.replace("token_file: app.token", "username: me\n    password_file: home.password")
    _, app, _ = read_sinks(written(folder, text))
    assert isinstance(app, WebhookConfig)
    assert app.authorization() == {"Authorization": "Basic bWU6c2VzYW1l"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: mqtt", "kind: pager", "line 11, column 5: sinks.2: "),
        ("host: broker.example", "hots: x", "line 13, column 11: sinks.2.hots: "),
        ("https://app", "ftp://app", "line 8, column 10: sinks.1.url: must begin with http://"),
        ("https://app", "https://me:hush@app", "line 8, column 10: sinks.1.url: holds a login"),
        ("name: home", "name: app", "line 11, column 11: sinks.2.name: app stands twice"),
        ("secret_file: app.secret", "secret_file: gone", "gone cannot be read: No such file"),
        ("    secret_file: app.secret\n", "", "sinks.1.secret_file: Field required"),
        ("tls: true", "ca_file: ca.pem", "sinks.2: ca_file needs tls: true"),
        ("name: oncall", "name: on call", "line 2, column 11: sinks.0.name: "),
        ("    tls: true\n", "    tls: true\n    tls: true\n", "sinks.2.tls: stands twice"),
        ("sinks:", "sinks: [", "is not YAML at line "),
        (
            "allow_private: true",
            "resend_every_s: .nan",
            "line 5, column 21: sinks.0.resend_every_s",
        ),
    ],
)
def test_a_fault_is_named_with_its_line_and_field(
    folder: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        read_sinks(written(folder, WHOLE.replace(old, new, 1)))
    assert said in str(error.value)
    assert "hush" not in str(error.value)


@pytest.mark.parametrize("secret", ["", "not base64!", "whsec_c2hvcnQ="])
def test_a_secret_that_cannot_sign_is_refused_unseen(folder: Path, secret: str) -> None:
    (folder / "app.secret").write_text(secret)
    with pytest.raises(InvalidInput) as error:
        read_sinks(written(folder, WHOLE))
    assert "app.secret" in str(error.value)
    assert not secret or secret not in str(error.value)


def test_a_file_without_sinks_is_refused(folder: Path) -> None:
    for text in ("", "sinks: []", "- 1"):
        with pytest.raises(InvalidInput):
            read_sinks(written(folder, text))
