"""Connections to workers live for as long as they are used, and a while."""

from __future__ import annotations

from typing import Any

from services.query_gateway.channels import ChannelPool


class FakeChannel:
    def __init__(self, address: str) -> None:
        self.address = address
        self.closed = False

    async def close(self) -> None:
        self.closed = True


async def test_one_channel_an_address_closed_when_idle() -> None:
    made: list[FakeChannel] = []
    now = 0.0

    def connect(address: str) -> Any:
        made.append(FakeChannel(address))
        return made[-1]

    pool = ChannelPool(idle_s=10, connect=connect, clock=lambda: now)
    async with pool.use("a:1") as first, pool.use("a:1") as again, pool.use("b:1"):
        assert first is again
        assert len(made) == 2
        now = 100.0
        await pool.sweep()  # in use, however long
        assert not any(channel.closed for channel in made)
    now = 109.0
    async with pool.use("b:1"):
        pass
    now = 110.0
    await pool.sweep()
    assert [channel.closed for channel in made] == [True, False]
    assert pool.addresses == ["b:1"]
    async with pool.use("a:1"):
        assert len(made) == 3  # a new one
    await pool.close()
    assert all(channel.closed for channel in made)


async def test_renewed_channels_end_with_the_calls_that_use_them() -> None:
    made: list[FakeChannel] = []

    def connect(address: str) -> Any:
        made.append(FakeChannel(address))
        return made[-1]

    pool = ChannelPool(10.0, connect)
    async with pool.use("a:1") as old:
        pool.renew()
        async with pool.use("a:1") as new:
            assert new is not old
        await pool.sweep()
        assert [channel.closed for channel in made] == [False, False]
    await pool.sweep()
    assert [channel.closed for channel in made] == [True, False]
    async with pool.use("a:1"):
        pool.renew()
        await pool.close()  # and those of calls that never end
    assert all(channel.closed for channel in made)
