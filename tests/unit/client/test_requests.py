"""Texts that cannot be sent are named: bytes of a command line that are no UTF-8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hermes.client import AsyncHermesClient, HermesClient
from hermes.errors import InvalidInput

BAD = "lob\udcff"
Call = Callable[[Any], Any]

CALLS: list[tuple[str, Call]] = [
    ("question.text", lambda client: client.ask("lobby", "what\udcff?")),
    ("question.camera_id", lambda client: client.ask(BAD, "what?")),
    ("camera.id", lambda client: client.add_camera(BAD, "a.mp4")),
    ("camera.url", lambda client: client.add_camera("lobby", "a\udcff.mp4")),
    ("camera_id", lambda client: client.get_camera(BAD)),
    ("camera_id", lambda client: client.remove_camera(BAD)),
    ("camera_id", lambda client: client.inspect(BAD)),
]


@pytest.mark.parametrize(("field", "call"), CALLS)
async def test_text_that_is_no_utf_8_is_named(field: str, call: Call) -> None:
    with HermesClient("127.0.0.1:1") as client, pytest.raises(InvalidInput) as refused:
        call(client)
    assert (refused.value.field, "not UTF-8" in str(refused.value)) == (field, True)
    str(refused.value).encode()
    async with AsyncHermesClient("127.0.0.1:1") as other:
        with pytest.raises(InvalidInput) as refused:
            await call(other)
    assert refused.value.field == field
