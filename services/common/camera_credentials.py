"""Credentials of cameras at rest: sealed with a key, or in files that URLs refer to.

A sealed URL holds the whole of what it was, so that nobody can send its
credentials to another host, and shows what may be shown:

    rtsp://${sealed:TOKEN}@10.0.0.7/stream1

A reference names a file, whose first line is user:password and whose other
lines are the hosts that they are for:

    rtsp://${secret:lobby}@10.0.0.7/stream1
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote, urlsplit

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from services.common.cameras import ID_PATTERN, is_file
from services.common.files import UnusableFile, read_file
from services.common.redaction import MASK, redact, secrets_of

_SEALED = re.compile(r"[A-Za-z]+://\$\{sealed:([A-Za-z0-9_=-]+)\}@")
_REFERENCE = re.compile(r"([A-Za-z]+)://\$\{secret:([^{}]*)\}@(.*)")


class CannotOpen(Exception):
    """A camera's credentials are not available. The message says why, without credentials."""


class CameraCredentials:
    """Seals and opens URLs. Files are read each time, so that they may change."""

    def __init__(self, key_file: Path | None = None, folder: Path | None = None) -> None:
        """`key_file`: a key a line; the first seals, all open. `folder`: files to refer to."""
        self._key_file = key_file
        self._folder = folder
        self.secrets: tuple[str, ...] = ()
        """Secrets of the URL that was opened last, to be masked in messages."""

    def check(self) -> None:
        """Whether the keys can be used. Raises `UnusableFile`."""
        if self._key_file is not None:
            _read_keys(self._key_file)

    def seal(self, url: str) -> str:
        """The URL as Redis stores it: sealed, if there are a key and credentials in the URL.

        Raises `UnusableFile`.
        """
        shown = redact(url)
        if self._key_file is None or is_file(url) or shown == url:
            return url
        token = _read_keys(self._key_file).encrypt(url.encode()).decode()
        scheme, _, rest = shown.partition("://")
        return f"{scheme}://${{sealed:{token}}}@{rest.removeprefix(f'{MASK}@')}"

    def open(self, url: str) -> str:
        """The URL with its credentials, to open a source with. Raises `CannotOpen`."""
        url = self._resolve(self._unseal(url))
        self.secrets = secrets_of(url)
        return url

    def _unseal(self, url: str) -> str:
        sealed = _SEALED.match(url)
        if sealed is None:
            return url
        if self._key_file is None:
            raise CannotOpen(
                "its credentials are sealed, and there is no key here: set"
                " HERMES_CREDENTIALS_KEY_FILE to a file with the gateway's keys"
            )
        try:
            return _read_keys(self._key_file).decrypt(sealed[1]).decode()
        except (InvalidToken, UnusableFile):
            raise CannotOpen(
                "its credentials are sealed, and no key here opens them: give the decoder the"
                " gateway's keys, or remove the camera and add it again"
            ) from None

    def _resolve(self, url: str) -> str:
        reference = _REFERENCE.fullmatch(url)
        if reference is None:
            return url
        scheme, name, rest = reference.groups()
        if self._folder is None:
            raise CannotOpen(
                f"it refers to the secret {name!r}, and there are none here: set"
                " HERMES_CREDENTIALS_FOLDER to the folder of their files"
            )
        if not ID_PATTERN.fullmatch(name):
            raise CannotOpen(f"{name!r} cannot be the name of a secret: use letters, digits, . _ -")
        try:
            text = read_file(self._folder / name).decode()
        except (UnusableFile, ValueError):
            raise CannotOpen(f"there is no secret {name!r} that could be read") from None
        pair, *hosts = [line.strip() for line in text.splitlines() if line.strip()] or [""]
        user, colon, password = pair.partition(":")
        if not colon:
            raise CannotOpen(f"the first line of the secret {name!r} is not user:password")
        # A person who adds a camera must not learn a secret by naming a host of their own.
        host = urlsplit(f"{scheme}://{rest}").hostname or ""
        if "@" in rest or not any(fnmatchcase(host, pattern.lower()) for pattern in hosts):
            raise CannotOpen(
                f"the secret {name!r} is not for the host {host!r}: each host that it is for has a"
                " line in its file (10.0.0.7, *.cameras.example, or * for any)"
            )
        return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def _read_keys(path: Path) -> MultiFernet:
    keys = read_file(path).split()
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise UnusableFile(
            f"{path} must hold keys, one a line, each 32 random bytes in URL-safe base64"
        ) from None
