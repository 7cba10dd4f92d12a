"""What this version knows of a JSON object that a later version may have written."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def known_fields(kind: type[DataclassInstance], said: Any) -> dict[str, Any]:
    """The fields of `said` that the dataclass has. A later version may say more: it is left out.

    Raises TypeError if `said` is no object.
    """
    if not isinstance(said, dict):
        raise TypeError("a JSON object is needed")
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in said.items() if name in names}
