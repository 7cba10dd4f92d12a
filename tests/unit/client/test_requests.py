"""Texts that cannot be sent are named: bytes of a command line that are no UTF-8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hermes.client import AsyncHermesClient, HermesClient
from hermes.client.requests import update_request
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
    ("camera.id", lambda client: client.update_camera(BAD, labels={})),
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


REFUSED: list[tuple[str, Call]] = [
    ("selector", lambda client: client.list_cameras("site in dock")),
    ("camera.labels", lambda client: client.add_camera("a", "a.mp4", labels={"a b": "c"})),
    ("camera.display_name", lambda client: client.add_camera("a", "a.mp4", display_name="\n")),
    ("camera.labels", lambda client: client.update_camera("a", labels={"a": "b c"})),
    ("put_labels", lambda client: client.update_camera("a", put_labels={"a": "b\udcff"})),
    ("remove_labels", lambda client: client.update_camera("a", remove_labels=["a b"])),
    ("camera.display_name", lambda client: client.update_camera("a", display_name="\udcff")),
]


@pytest.mark.parametrize(("field", "call"), REFUSED)
def test_what_is_no_label_no_name_and_no_selector_is_not_sent(field: str, call: Call) -> None:
    with HermesClient("127.0.0.1:1") as client, pytest.raises(InvalidInput) as refused:
        call(client)
    assert refused.value.field == field


def test_an_update_names_what_it_replaces() -> None:
    request = update_request("a", {"site": "dock"}, None, (), "")
    assert list(request.update_mask.paths) == ["labels", "display_name"]
    assert dict(request.camera.labels) == {"site": "dock"}
    single = update_request("a", None, {"site": "dock"}, ["floor"], None)
    assert list(single.update_mask.paths) == []
    assert (dict(single.put_labels), list(single.remove_labels)) == ({"site": "dock"}, ["floor"])
