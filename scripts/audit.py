"""Known vulnerabilities of everything that is pinned: `python -m scripts.audit`.

pip-audit asks OSV about constraints.txt, npm its registry about package.json. What is found and not
in audit_allowed.toml fails. A source that cannot be reached is a warning: nobody's check is red for
the lack of a network.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
ALLOWED = Path(__file__).with_name("audit_allowed.toml")
OSV = "https://api.osv.dev/v1/query"
TIMEOUT_S = 300

_OFFLINE = re.compile(
    r"ConnectionError|ConnectTimeout|ReadTimeout|HTTPError|ProxyError|SSLError"
    r"|ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|audit endpoint returned an error"
)


class Unreachable(Exception):
    """The source could not be reached; the message says why."""


class Failed(Exception):
    """The audit itself went wrong; the message says how."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A known vulnerability of something that is pinned. `ids`: its names, the first one shown."""

    package: str
    version: str
    ids: tuple[str, ...]
    about: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}: {self.ids[0]} {self.about}".rstrip()


@dataclass(frozen=True, slots=True)
class Allowance:
    """A vulnerability that may be there until a day, that one excluded."""

    id: str
    package: str
    reason: str
    until: date

    def covers(self, finding: Finding) -> bool:
        """Whether this is about that."""
        return self.id in finding.ids and self.package.lower() == finding.package.lower()


@dataclass(slots=True)
class Verdict:
    """What an audit comes to, in lines for a person."""

    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge(findings: Sequence[Finding], allowances: Sequence[Allowance], today: date) -> Verdict:
    """Which findings fail."""
    verdict = Verdict()
    for finding in findings:
        covering = [one for one in allowances if one.covers(finding)]
        current = [one for one in covering if today < one.until]
        if current:
            one = current[0]
            verdict.notes.append(f"{finding} (allowed until {one.until}: {one.reason})")
        elif covering:
            verdict.failures.append(f"{finding} (was allowed until {covering[0].until})")
        else:
            verdict.failures.append(str(finding))
    return verdict


def read_allowances(text: str) -> list[Allowance]:
    """From TOML. Raises `Failed` naming what is wrong."""
    try:
        entries = tomllib.loads(text).get("allowed", [])
        found = [Allowance(**entry) for entry in entries]
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise Failed(f"{ALLOWED.name}: {error}") from None
    for one in found:
        if not one.reason or type(one.until) is not date:
            raise Failed(f"{ALLOWED.name}: {one.id} needs a reason, and a day in `until`")
    return found


def audit_python(constraints: Path, osv_url: str) -> tuple[list[Finding], list[str]]:
    """Findings, and what could not be audited. Raises `Unreachable` or `Failed`."""
    flags = ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
    service = ["--vulnerability-service=osv", f"--osv-url={osv_url}"]
    done = _run(sys.executable, "-m", "pip_audit", f"--requirement={constraints}", *flags, *service)
    return parse_python(_read(done, "OSV"))


def parse_python(report: Any) -> tuple[list[Finding], list[str]]:
    """Findings of pip-audit's report, and what it skipped."""
    findings, skipped = [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            skipped.append(f"{package['name']}: {package['skip_reason']}")
        for one in package.get("vulns", []):
            about = f"fixed in {', '.join(one['fix_versions'])}" if one["fix_versions"] else ""
            ids = (one["id"], *one["aliases"])
            findings.append(Finding(package["name"], package["version"], ids, about))
    return findings, skipped


def audit_npm() -> list[Finding]:
    """Findings among what package.json brings. Raises `Unreachable` or `Failed`."""
    npm = shutil.which("npm")
    if npm is None:
        raise Unreachable("npm is not installed")
    return list(parse_npm(_read(_run(npm, "audit", "--json"), "npm's registry")))


def parse_npm(report: Any) -> Iterator[Finding]:
    """Findings of npm's report. What a package inherits from another is reported for the other."""
    for name, package in report["vulnerabilities"].items():
        for one in package["via"]:
            if isinstance(one, dict):
                id = str(one["url"]).rpartition("/")[2]
                yield Finding(name, one["range"], (id,), one["title"])


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise Unreachable(f"no answer in {TIMEOUT_S} s") from None


def _read(done: subprocess.CompletedProcess[str], whom: str) -> Any:
    """The report of a tool that exits with 1 for findings as well as for failures."""
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {}
    if "dependencies" in report or "vulnerabilities" in report:
        return report
    said = done.stderr.strip() or done.stdout.strip()
    if _OFFLINE.search(said):
        raise Unreachable(f"{whom} cannot be reached")
    raise Failed(f"{whom} was asked in vain:\n{said[-2000:]}")


def main(argv: Sequence[str] | None = None) -> int:
    """Audit both; 1 if something was found that may not be there."""
    parser = argparse.ArgumentParser(prog="python -m scripts.audit", description=__doc__)
    parser.add_argument("--constraints", type=Path, default=CONSTRAINTS)
    parser.add_argument("--allowed", type=Path, default=ALLOWED)
    parser.add_argument("--osv-url", default=OSV)
    parser.add_argument("--no-npm", dest="npm", action="store_false")
    options = parser.parse_args(argv)
    findings: list[Finding] = []
    try:
        allowances = read_allowances(options.allowed.read_text())
        try:
            found, skipped = audit_python(options.constraints, options.osv_url)
            findings += found
            for line in skipped:
                print(f"audit: not audited: {line}", file=sys.stderr)
        except Unreachable as why:
            print(f"audit: WARNING: Python packages were not audited: {why}", file=sys.stderr)
        if options.npm:
            try:
                findings += audit_npm()
            except Unreachable as why:
                print(f"audit: WARNING: npm packages were not audited: {why}", file=sys.stderr)
    except Failed as how:
        print(f"audit: {how}", file=sys.stderr)
        return 1
    verdict = judge(findings, allowances, datetime.now(UTC).date())
    for line in verdict.notes:
        print(f"audit: {line}", file=sys.stderr)
    for line in verdict.failures:
        print(f"audit: VULNERABLE: {line}", file=sys.stderr)
    return 1 if verdict.failures else 0


if __name__ == "__main__":
    sys.exit(main())
