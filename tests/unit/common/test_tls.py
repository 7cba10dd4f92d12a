"""Certificates that settings name, and the errors for unusable ones."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hermes.client import HermesClient, Tls
from hermes.errors import InvalidInput
from services.common.files import UnusableFile
from services.common.settings import load
from services.common.tls import ServerTls
from services.hermes_worker.settings import WorkerSettings
from services.query_gateway.settings import GatewaySettings
from services.query_gateway.worker_tls import WorkerTls
from tests.support.certificates import Authority, Files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Authority("ca").issue(tmp_path_factory.mktemp("files"), "name")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Authority("ca").issue(tmp_path_factory.mktemp("others"), "name")


def test_unusable_certificates_of_a_server_are_refused(
    files: Files, others: Files, tmp_path: Path
) -> None:
    wrong = {
        f"{tmp_path} cannot be read: Is a directory": ServerTls(tmp_path, files.key),
        f"{files.key} holds no certificate in PEM": ServerTls(files.key, files.key),
        f"{files.cert} holds no key in PEM": ServerTls(files.cert, files.cert),
        f"{others.key} is not the key of the certificate in {files.cert}": ServerTls(
            files.cert, others.key
        ),
        f"{others.key} holds no cert": ServerTls(files.cert, files.key, others.key),
    }
    for why, tls in wrong.items():
        with pytest.raises(UnusableFile, match=why):
            tls.credentials()
    ServerTls(files.cert, files.key, files.ca).credentials()


def test_unusable_certificates_for_workers_are_refused(files: Files, others: Files) -> None:
    with pytest.raises(UnusableFile, match=r"none cannot be read: No such file"):
        WorkerTls(Tls(files.folder / "none", files.cert, files.key))
    with pytest.raises(UnusableFile, match="is not the key of"):
        WorkerTls(Tls(files.ca, files.cert, others.key))
    with pytest.raises(UnusableFile, match="holds no certificate"):
        WorkerTls(Tls(files.key, files.cert, files.key))


def test_an_expired_certificate_is_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is used all the same: the clock may be wrong."""
    files = Authority("ca").issue(tmp_path, "name", valid=timedelta(days=-1))
    ServerTls(files.cert, files.key).credentials()
    assert "certificate_expired" in "".join(capsys.readouterr())


def test_a_client_needs_both_or_neither(files: Files) -> None:
    with pytest.raises(InvalidInput, match=r"tls\.key_file: is missing"):
        Tls(files.ca, cert_file=files.cert)
    with pytest.raises(InvalidInput, match=r"tls\.cert_file: is missing"):
        Tls(files.ca, key_file=files.key)
    with pytest.raises(InvalidInput, match=r"tls\.ca_file: .*none cannot be read"):
        HermesClient("127.0.0.1:1", tls=Tls(files.folder / "none"))


HALVES: list[tuple[type[GatewaySettings] | type[WorkerSettings], str, str]] = [
    (GatewaySettings, "--tls-cert-file=a", "--tls-key-file is missing"),
    (GatewaySettings, "--tls-key-file=a", "--tls-cert-file is missing"),
    (GatewaySettings, "--tls-client-ca-file=a", "--tls-cert-file is missing"),
    (GatewaySettings, "--worker-tls-name=a", "--worker-tls-ca-file, --worker-tls-cert-file, "),
    (
        GatewaySettings,
        "--worker-tls-ca-file=a --worker-tls-key-file=a",
        "--worker-tls-cert-file: m",
    ),
    (WorkerSettings, "--tls-key-file=a", "--tls-cert-file is missing"),
    (WorkerSettings, "--tls-key-file=a --tls-cert-file=a", "--tls-client-ca-file is missing"),
]


@pytest.mark.parametrize(("kind", "flags", "said"), HALVES)
def test_incomplete_tls_settings_are_refused_by_name(
    kind: type[GatewaySettings] | type[WorkerSettings],
    flags: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        load(kind, "hermes-x", flags.split())
    assert said in capsys.readouterr().err


def test_without_tls_settings_all_is_plain_text() -> None:
    settings = load(GatewaySettings, "hermes-gateway", [])
    assert settings.server_tls is None
    assert settings.worker_tls is None
    assert load(WorkerSettings, "hermes-worker", []).server_tls is None
