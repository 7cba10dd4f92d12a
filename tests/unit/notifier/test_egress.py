"""Which addresses a sink may have."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from services.notifier.egress import Egress
from services.notifier.sink import Failed

PUBLIC, PRIVATE, METADATA = "93.184.216.34", "10.0.0.7", "169.254.169.254"


def resolving(*addresses: str) -> Any:
    async def resolve(host: str, port: int) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (one, port)) for one in addresses]

    return resolve


async def test_private_addresses_need_the_switch() -> None:
    mixed = resolving(PRIVATE, PUBLIC, "127.0.0.1", METADATA)
    assert await Egress(allow_private=False, resolve=mixed).addresses("x", 80) == [PUBLIC]
    assert await Egress(allow_private=True, resolve=mixed).addresses("x", 80) == [
        PRIVATE,
        PUBLIC,
        "127.0.0.1",
    ]


@pytest.mark.parametrize(
    "address", [PRIVATE, "127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::10.0.0.7", "fd00::1"]
)
async def test_a_private_address_in_any_form_is_denied(address: str) -> None:
    with pytest.raises(Failed, match=r"not allowed \(allow_private of the sink\)"):
        await Egress(allow_private=False, resolve=resolving(address)).addresses("x", 80)


@pytest.mark.parametrize("address", [METADATA, "0.0.0.0", "224.0.0.1", "fe80::1"])
async def test_some_addresses_are_never_a_sink(address: str) -> None:
    with pytest.raises(Failed, match=r"not allowed$"):
        await Egress(allow_private=True, resolve=resolving(address)).addresses("x", 80)


async def test_a_name_without_an_address_may_have_one_later() -> None:
    async def nothing(host: str, port: int) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Failed, match="x has no address: Name or service not known"):
        await Egress(allow_private=False, resolve=nothing).addresses("x", 80)


async def test_a_name_server_that_hangs_for_one_sink_hangs_for_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()

    def hangs(host: str, port: int, **more: Any) -> list[Any]:
        if host == "slow":
            over.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (PUBLIC, port))]

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    one, other = Egress(allow_private=False), Egress(allow_private=False)
    waiting = [asyncio.create_task(one.addresses("slow", 80)) for _ in range(50)]
    await asyncio.sleep(0)
    assert await other.addresses("quick", 80) == [PUBLIC]
    assert not any(task.done() for task in waiting)
    over.set()
    assert await asyncio.gather(*waiting) == [[PUBLIC]] * 50
