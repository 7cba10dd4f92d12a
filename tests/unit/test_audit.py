"""The audit is red for what it finds, and for nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts import audit
from scripts.audit import Allowance, Failed, Finding

HOLE = {
    "id": "PYSEC-2099-1",
    "aliases": ["CVE-2099-1"],
    "details": "Everything is open.",
    "affected": [
        {
            "package": {"name": "holey", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
            "versions": ["1.0"],
        }
    ],
}
FINDING = Finding("holey", "1.0", ("PYSEC-2099-1", "CVE-2099-1"), "fixed in 1.1")


@contextmanager
def osv() -> Iterator[str]:
    """OSV's API on this machine: one package has a hole."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            vulns = [HOLE] if asked["package"]["name"] == "holey" else []
            body = json.dumps({"vulns": vulns} if vulns else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run(folder: Path, url: str, allowed: str = "") -> int:
    (folder / "constraints.txt").write_text("sound==2.0\nholey==1.0\n")
    (folder / "allowed.toml").write_text(allowed)
    files = [f"--constraints={folder / 'constraints.txt'}", f"--allowed={folder / 'allowed.toml'}"]
    return audit.main([*files, f"--osv-url={url}", "--no-npm"])


def entry(until: str) -> str:
    return f'[[allowed]]\nid = "CVE-2099-1"\npackage = "Holey"\nreason = "shut"\nuntil = {until}\n'


def test_what_is_found_is_red(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with osv() as url:
        assert run(tmp_path, url) == 1
        said = capsys.readouterr().err
        assert said == f"audit: VULNERABLE: {FINDING}\n"
        assert run(tmp_path, url, entry("9999-01-01")) == 0
        assert "allowed until 9999-01-01: shut" in capsys.readouterr().err


def test_nobody_to_ask_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "http://127.0.0.1:1/v1/query") == 0
    assert "WARNING: Python packages were not audited" in capsys.readouterr().err


def test_a_question_that_cannot_be_put_is_red(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main([f"--constraints={tmp_path / 'none'}", "--no-npm"]) == 1
    assert "asked in vain" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("allowance", "failures"),
    [
        (Allowance("CVE-2099-1", "holey", "shut", date(2099, 1, 2)), []),
        (
            Allowance("CVE-2099-1", "holey", "shut", date(2099, 1, 1)),
            [f"{FINDING} (was allowed until 2099-01-01)"],
        ),
        (Allowance("CVE-2099-2", "holey", "shut", date(2099, 1, 2)), [str(FINDING)]),
        (Allowance("CVE-2099-1", "sound", "shut", date(2099, 1, 2)), [str(FINDING)]),
    ],
    ids=["current", "expired", "another hole", "another package"],
)
def test_an_allowance_is_for_one_hole_until_a_day(
    allowance: Allowance, failures: list[str]
) -> None:
    assert audit.judge([FINDING], [allowance], date(2099, 1, 1)).failures == failures


@pytest.mark.parametrize(
    "text",
    [
        "[[allowed]",
        '[[allowed]]\nid = "CVE-2099-1"\npackage = "holey"\nuntil = 2099-01-01',
        entry('"soon"'),
        entry("2099-01-01").replace("shut", ""),
        entry("2099-01-01") + 'note = "x"',
    ],
    ids=["not TOML", "no reason", "no day", "empty reason", "an unknown word"],
)
def test_allowances_say_why_and_until_when(text: str) -> None:
    with pytest.raises(Failed, match="audit_allowed"):
        audit.read_allowances(text)


def test_ours_can_be_read() -> None:
    audit.read_allowances(audit.ALLOWED.read_text())


def test_npm_names_each_hole_once() -> None:
    report = {
        "vulnerabilities": {
            "inner": {
                "via": [
                    {
                        "title": "Prototype pollution",
                        "url": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
                        "range": "<1.2",
                    }
                ]
            },
            "outer": {"via": ["inner"]},
        }
    }
    assert list(audit.parse_npm(report)) == [
        Finding("inner", "<1.2", ("GHSA-aaaa-bbbb-cccc",), "Prototype pollution")
    ]
