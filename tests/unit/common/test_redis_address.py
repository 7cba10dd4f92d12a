"""URLs of one server, of a cluster, and of what Sentinels watch."""

from __future__ import annotations

import pytest
import redis
from redis.exceptions import ReadOnlyError, ResponseError

from services.common.command_keys import keys_of
from services.common.redaction import redact
from services.common.redis_address import RedisAddress
from services.common.redis_connections import passes


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    found = RedisAddress.parse("rediss+cluster://me:p%40ss@one:7000,two,[::1]:7002?protocol=2")
    assert (found.shape, found.tls) == ("cluster", True)
    assert found.hosts == (("one", 7000), ("two", 6379), ("::1", 7002))
    assert found.options == {"username": "me", "password": "p@ss", "protocol": 2}


def test_sentinels_are_named_with_the_primary_and_their_own_password() -> None:
    url = "redis+sentinel://:secret@one,two:7001/mymaster/3?sentinel_password=other"
    found = RedisAddress.parse(url)
    assert (found.shape, found.tls, found.service) == ("sentinel", False, "mymaster")
    assert found.hosts == (("one", 26379), ("two", 7001))
    assert found.options == {"password": "secret", "db": 3}
    assert dict(found.sentinel_options) == {"password": "other"}


def test_one_server_stays_as_it_was() -> None:
    found = RedisAddress.parse("redis://me:secret@host:1/2?protocol=3")
    assert (found.shape, found.url, found.hosts) == (
        "server",
        "redis://me:secret@host:1/2?protocol=3",
        (),
    )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://host", "must start with"),
        ("redis+cluster://", "hosts cannot be read"),
        ("redis+cluster://one,,two", "hosts cannot be read"),
        ("redis+cluster://one:x", "hosts cannot be read"),
        ("redis+cluster://one:70000", "a port is a number"),
        ("redis+cluster://one/1", "one database"),
        ("redis+sentinel://one:26379", "ends with the name of the primary"),
        ("redis+cluster://one?no_such_option=1", "options cannot be read"),
        ("unix://x", "three slashes"),
    ],
)
def test_what_cannot_be_read_is_refused_without_a_word_of_it(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as raised:
        RedisAddress.parse(url.replace("://", "://me:secret@") if "://one" in url else url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://me:secret1@one:1,two:2/0",
        "rediss+sentinel://:secret1@one:1,two:2/mymaster?sentinel_password=secret2",
    ],
)
def test_logs_show_no_password(url: str) -> None:
    assert "secret" not in redact(f"cannot reach {url} now")


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (ReadOnlyError("You can't write against a read only replica."), True),
        (
            ResponseError(
                "Error running script (call to f_1): @user_script:7: -READONLY You can't write"
                " against a read only replica."
            ),
            True,
        ),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), True),
        (ResponseError("UNBLOCKED force unblock from blocking operation"), True),
        (ResponseError("UNBLOCKED the stream key no longer exists"), False),
        (ResponseError("WRONGTYPE Operation against a key"), False),
        (redis.ConnectionError("NOREPLICAS "), False),
    ],
)
def test_what_says_that_a_server_is_no_primary(error: redis.RedisError, passing: bool) -> None:
    assert passes(error) is passing


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (("HGETALL", "a"), ["a"]),
        (("XINFO STREAM", "a"), ["a"]),
        (("DEL", "a", "b"), ["a", "b"]),
        (("EVALSHA", "0f", 2, "a", "b", "x"), ["a", "b"]),
        (("XREAD", b"COUNT", "4", b"STREAMS", "a", "b", "0-0", "1-1"), ["a", "b"]),
        (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", ">"), ["a"]),
        (("BLPOP", "a", 1), ["a"]),
        (("SORT", "a"), None),
    ],
)
def test_the_keys_of_our_commands_are_known(
    args: tuple[object, ...], found: list[str] | None
) -> None:
    assert keys_of(args) == found
