"""Labels: keys with values that people give to cameras, to select cameras by them.

Keys and values are written as those of Kubernetes. The rules are in its page "Labels
and Selectors". No torch, no gRPC.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from hermes.errors import InvalidInput

MAX_LABELS = 32
MAX_LABELS_BYTES = 4096
"""Keys and values of one camera together."""
MAX_NAME_CHARS = 63
"""Characters of a value, and of a key without its domain."""
MAX_DOMAIN_CHARS = 253
MAX_DISPLAY_NAME_CHARS = 128

_OTHER = re.compile(r"[^A-Za-z0-9._-]")
_OTHER_IN_DOMAIN = re.compile(r"[^a-z0-9.-]")
_DOMAIN_PART = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_ENDS = re.compile(r"[A-Za-z0-9]")
_SHOWN_CHARS = 80
_STEERING = ("Cc", "Cs", "Zl", "Zp")
"""Categories of Unicode that break a line, or that a terminal may obey."""
_TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Characters that change the order in which the text around them is shown."""


def key_fault(key: str) -> str | None:
    """What is wrong with a label's key; None if nothing is."""
    domain, slash, name = key.rpartition("/")
    if slash and (fault := _domain_fault(domain)):
        return fault
    if not name:
        return "the key has nothing after its '/'" if slash else "the key is empty"
    return _name_fault(name, len(domain) + len(slash), "the key")


def value_fault(value: str) -> str | None:
    """What is wrong with a label's value; None if nothing is. It may be empty."""
    return _name_fault(value, 0, "the value") if value else None


def _name_fault(name: str, before: int, what: str) -> str | None:
    """`before`: how many characters come before the name in what the person wrote."""
    if (other := _OTHER.search(name)) is not None:
        return (
            f"{what} has {other[0]!r} at character {before + other.start() + 1}:"
            " use letters, digits, '-', '_' and '.'"
        )
    if not (_ENDS.match(name[0]) and _ENDS.match(name[-1])):
        return f"{what} must begin and end with a letter or a digit"
    if len(name) > MAX_NAME_CHARS:
        return f"{what} has {len(name)} characters; {MAX_NAME_CHARS} are allowed"
    return None


def _domain_fault(domain: str) -> str | None:
    if not domain:
        return "the key has nothing before its '/'"
    if (other := _OTHER_IN_DOMAIN.search(domain)) is not None:
        return (
            f"the key has {other[0]!r} at character {other.start() + 1}, before its '/':"
            " a domain is written in small letters, digits, '-' and '.'"
        )
    if not all(_DOMAIN_PART.fullmatch(part) for part in domain.split(".")):
        return (
            "what comes before the key's '/' is no domain:"
            " each part of it begins and ends with a small letter or a digit"
        )
    if len(domain) > MAX_DOMAIN_CHARS:
        return f"the key's domain has {len(domain)} characters; {MAX_DOMAIN_CHARS} are allowed"
    return None


def display_name_fault(name: str) -> str | None:
    """What is wrong with a display name; None if nothing is."""
    if len(name) > MAX_DISPLAY_NAME_CHARS:
        return f"has {len(name)} characters; {MAX_DISPLAY_NAME_CHARS} are allowed"
    for place, character in enumerate(name, 1):
        if (
            unicodedata.category(character) in _STEERING
            or unicodedata.bidirectional(character) in _TURNING
        ):
            return f"has a control character, {character!a}, at character {place}"
    if name != name.strip():
        return "begins or ends with a space; leave it out"
    return None


def shown(text: str) -> str:
    """A key or a value for messages: quoted, escaped, and not too long."""
    return ascii(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "...")


def check_labels(labels: Mapping[str, str], field: str = "camera.labels") -> None:
    """Whether a camera may have all of these labels. Raises `InvalidInput`."""
    for key, value in sorted(labels.items()):
        check_key(key, field)
        if (fault := value_fault(value)) is not None:
            raise InvalidInput(field, f"{shown(key)}: {fault}")
    if len(labels) > MAX_LABELS:
        raise InvalidInput(field, f"there are {len(labels)} labels; {MAX_LABELS} are allowed")
    size = sum(len(key) + len(value) for key, value in labels.items())  # all of it is ASCII
    if size > MAX_LABELS_BYTES:
        raise InvalidInput(
            field, f"keys and values have {size} bytes together; {MAX_LABELS_BYTES} are allowed"
        )


def check_key(key: str, field: str) -> None:
    """Whether it can be the key of a label. Raises `InvalidInput`."""
    if (fault := key_fault(key)) is not None:
        raise InvalidInput(field, f"{shown(key)}: {fault}")


def check_display_name(name: str, field: str = "camera.display_name") -> None:
    """Whether a camera may have this display name. Raises `InvalidInput`."""
    if (fault := display_name_fault(name)) is not None:
        raise InvalidInput(field, fault)


def read_labels(texts: Iterable[str], field: str) -> dict[str, str]:
    """Labels, each written KEY=VALUE. Raises `InvalidInput`."""
    put, removed = read_changes(texts, field)
    if removed:
        raise InvalidInput(field, f"{shown(removed[0] + '-')}: write KEY=VALUE, e.g. site=dock")
    return put


def read_changes(texts: Iterable[str], field: str) -> tuple[dict[str, str], list[str]]:
    """Labels to put, each written KEY=VALUE, and to remove, each written KEY-.

    Raises `InvalidInput`.
    """
    put: dict[str, str] = {}
    removed: list[str] = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals and not key.endswith("-"):
            raise InvalidInput(field, f"{shown(text)}: write KEY=VALUE, or KEY- to remove a label")
        key = key if equals else key[:-1]
        fault = key_fault(key) or (value_fault(value) if equals else None)
        if fault is not None:
            raise InvalidInput(field, f"{shown(text)}: {fault}")
        if key in put or key in removed:
            raise InvalidInput(field, f"{shown(key)} is given twice")
        if equals:
            put[key] = value
        else:
            removed.append(key)
    return put, removed


def labels_text(labels: Mapping[str, str], separator: str = ",") -> str:
    """Labels for people, in the order of their keys: `floor=2,site=dock`."""
    return separator.join(f"{key}={value}" for key, value in sorted(labels.items()))
