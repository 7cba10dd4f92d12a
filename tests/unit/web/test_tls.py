"""Certificates of the HTTP port: a handshake in memory."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest

from services.common.files import UnusableFile
from services.common.tls import ServerTls
from services.web.tls import ServerContexts
from tests.support.certificates import Authority, Files


def shake(contexts: ServerContexts, ca: Path) -> None:
    """A client that trusts one authority connects. Raises `ssl.SSLError` if it does not trust."""
    trusting = ssl.create_default_context(cafile=str(ca))
    trusting.check_hostname = False
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server)
    server = contexts.first.wrap_bio(to_server, to_client, server_side=True)
    open_ends = [client, server]
    for _ in range(10):
        for end in list(open_ends):
            try:
                end.do_handshake()
                open_ends.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert open_ends == []


def issued(folder: Path) -> Files:
    folder.mkdir()
    return Authority("ca").issue(folder, "name")


def test_a_certificate_that_changes_is_taken(tmp_path: Path) -> None:
    before, after = issued(tmp_path / "before"), issued(tmp_path / "after")
    contexts = ServerContexts(ServerTls(before.cert, before.key))
    shake(contexts, before.ca)
    with pytest.raises(ssl.SSLError):
        shake(contexts, after.ca)
    trusted = shutil.copy(before.ca, tmp_path / "trusted.crt")
    shutil.copy(after.cert, before.cert)  # half of the exchange: the last usable pair stays
    shake(contexts, Path(trusted))
    shutil.copy(after.key, before.key)
    shake(contexts, after.ca)


def test_files_that_do_not_match_are_refused(tmp_path: Path) -> None:
    one, other = issued(tmp_path / "one"), issued(tmp_path / "other")
    with pytest.raises(UnusableFile):
        ServerContexts(ServerTls(one.cert, other.key))
