"""What a request may lead to, and what an answer means."""

from __future__ import annotations

import asyncio

import pytest

from services.notifier.http_post import Reply, Target, read_reply, retry_after_s
from services.notifier.sink import Failed, Refused


def test_a_target_is_what_its_url_says() -> None:
    target = Target.parse("https://[2001:db8::1]:8443/a?b=c")
    assert target == Target("2001:db8::1", 8443, True, "/a?b=c")
    assert target.authority == "[2001:db8::1]:8443"
    assert Target.parse("http://x.example").authority == "x.example"


@pytest.mark.parametrize(
    "url",
    [
        "x",
        "ftp://x/",
        "http:///x",
        "http://a:b@x/",
        "http://a:b/x",
        "http://x/#y",
        "http://x/a b",
        "http://x/\r\nY: 1",
    ],
)
def test_a_url_that_no_request_can_have_is_refused(url: str) -> None:
    with pytest.raises(
        ValueError, match=r"must begin|holds a login|no request|cannot be read"
    ) as error:
        Target.parse(url)
    assert "a:b" not in str(error.value)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_answer_that_accepts(status: int) -> None:
    Reply(status).check()


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 408, 409, 429, 500, 503])
def test_an_answer_after_which_it_is_tried_again(status: int) -> None:
    with pytest.raises(Failed, match=str(status)) as error:
        Reply(status, retry_after_s=7.0).check()
    assert error.value.retry_after_s == 7.0


@pytest.mark.parametrize("status", [400, 410, 413, 422])
def test_an_answer_that_is_final(status: int) -> None:
    with pytest.raises(Refused, match=f"{status}: gone for good"):
        Reply(status, text="gone for good").check()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("", 0.0),
        ("9" * 400, 0.0),
    ],
)
def test_a_receiver_may_ask_us_to_wait(value: str, seconds: float) -> None:
    assert retry_after_s(value, now_s=10.0) == seconds


async def answered(data: bytes, *secrets: str) -> Reply:
    reader = asyncio.StreamReader(limit=32 << 10)
    reader.feed_data(data)
    reader.feed_eof()
    return await read_reply(reader, secrets)


async def test_interim_answers_are_read_over() -> None:
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    assert (await answered(head + b"HTTP/1.0 202 Accepted\r\n\r\nbody")) == Reply(202)


async def test_a_login_that_a_receiver_repeats_is_masked() -> None:
    reply = await answered(b"HTTP/1.1 403 No\r\n\r\nnot for hunter2-sesame!\n", "hunter2-sesame")
    assert reply.text == "not for ***!"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
async def test_what_is_no_answer_is_a_failure(data: bytes) -> None:
    with pytest.raises(Failed):
        await answered(data)
