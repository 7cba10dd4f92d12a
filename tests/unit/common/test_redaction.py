from __future__ import annotations

import base64
import re
import time
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from services.common.redaction import MASK, lacks_scheme, places, redact, secrets_of

MESSAGES = [
    "[Errno 1414092869] Immediate exit requested: '{url}'",
    "[Errno 2] No such file or directory: '{url}'; last error log: [rtsp] {url}: failed",
    "ffmpeg exited with 1 ({url})",
    "{{'url': '{url}', 'options': {{'rtsp_transport': 'tcp'}}}}",
    '{{"url":"{url}","fps":0.5}}',
    "<{url}>",
    "moved from http://example.com/a to {url}\nand again: {url}",
]

printable = st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"])
# A marker makes it certain that what is found in the output is the password.
passwords = st.text(printable, min_size=1, max_size=20).map(lambda tail: f"hunter2{tail}")
names = st.text("abcXYZ09", min_size=1, max_size=8)


@given(passwords, names, st.sampled_from(MESSAGES), st.booleans())
def test_no_password_survives_in_a_url(
    password: str, user: str, message: str, encode: bool
) -> None:
    written = quote(password, safe="") if encode else password
    text = redact(message.format(url=f"rtsp://{user}:{written}@10.0.0.7:554/stream?x=1"))
    assert "hunter2" not in text
    assert password not in text
    assert f"10.0.0.7:554/stream?x={MASK}" in text


@given(st.text(printable | st.just(" "), max_size=20), st.sampled_from(MESSAGES))
def test_no_password_with_spaces_survives(tail: str, message: str) -> None:
    assume("@" not in tail)
    text = redact(message.format(url=f"rtsp://admin:hunter2{tail} hunter3@10.0.0.7/stream"))
    assert "hunter" not in text


@given(passwords, names, st.data())
def test_no_known_secret_survives_in_any_form(
    password: str, user: str, data: st.DataObject
) -> None:
    url = f"rtsp://{user}:{quote(password, safe='')}@host/s"
    forms = [
        password,
        quote(password, safe=""),
        quote_plus(password),
        f"{user}:{password}",
        base64.b64encode(f"{user}:{password}".encode()).decode(),
    ]
    text = redact(f"refused: {data.draw(st.sampled_from(forms))} !", secrets_of(url))
    assert "hunter2" not in text
    assert text == f"refused: {MASK} !"


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("rtsp://admin:pa/ss@host/s", "pa/ss"),
        ("rtsp://admin:pa?ss#x@host/s", "pa?ss#x"),
        ("rtsp://admin:p%40ss@host/s", "p@ss"),
        ("rtsp://admin:p@s@host/s", "p@s"),
        ("rtsp://admin:[x@host/s", "[x"),
        ("rtsp://sometoken@host/s", "sometoken"),
        ("https://host/live.m3u8?token=abc123&x=1", "abc123"),
        ("https://host/live.m3u8?x=1&api_key=abc%2F123", "abc/123"),
    ],
)
def test_secrets_are_found_anywhere_in_a_url(url: str, secret: str) -> None:
    assert secret in secrets_of(url)
    assert secret not in redact(f"cannot open {secret!r}", secrets_of(url))
    assert secret not in redact(url)
    assert unquote(secret) not in redact(f"cannot open {url}")


@pytest.mark.parametrize("url", ["rtsp://host/s", "media/clip.mp4", "", "rtsp://host:554/a:b"])
def test_a_url_without_secrets_has_none(url: str) -> None:
    assert secrets_of(url) == ()


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://host:554/stream",
        "http://host/axis-media/media.amp and http://host/Streaming/Channels/101/",
        "rtsp://host/h264Preview_01_main; rtsp://host/lobby-entrance-camera-2024-archive",
        "http://host/2026-01-01T12-00-00Z.mp4",
        "rtsp://[fe80::1]:554/s",
        "jwt:alice@example.com",
        "mail to admin@example.com",
        "a = b; keys = 3, token count 17",
        "file:///media/a@b.mp4",
        "clips/a@b.mp4",
    ],
)
def test_a_text_without_secrets_is_not_changed(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "name",
    ["token", "access_token", "password", "PWD", "api_key", "X-Amz-Signature", "sig", "auth"],
)
def test_secret_query_parameters_are_masked(name: str) -> None:
    url = f"https://host/a.m3u8?quality=1&{name}=abc/%2B'x&more=2"
    assert redact(f"GET {url} failed") == (
        f"GET https://host/a.m3u8?quality={MASK}&{name}={MASK}&more={MASK} failed"
    )


@pytest.mark.parametrize("unit", ["://", "a://", "a.", "a@", "x://u:p@h ", "?token=", "a:// @"])
def test_a_long_text_is_redacted_quickly(unit: str) -> None:
    began = time.process_time()
    redact(unit * (200_000 // len(unit)))
    assert time.process_time() - began < 2


SHAPES = [
    "rtsp://admin:{secret}@10.0.0.7:554/s",
    "RTSP://admin:{secret}@HOST/s",
    "rtsp://{secret}@host/s",
    "rtsp://u:p@ss{secret}@host/",
    "rtsp://u:{secret}@[fe80::1]:554/s",
    "file://u:{secret}@host/s",
    "https://host/a.m3u8?pin={secret}",
    "https://host/a.m3u8?a=1&quality={secret}&b=2",
    "https://host/a.m3u8?{secret}",
    "https://host/a.m3u8;session={secret}",
    "https://host/a.m3u8#{secret}",
    "HTTPS://[::1]:8443/a?x[]={secret}#t={secret}",
    "https://host/token/{secret}/live.m3u8",
    "https://host/api_key={secret}/live.m3u8",
    "https://host/Secret/{secret}",
    "GET /live.m3u8?pin={secret} HTTP/1.1",
]
# As in a URL: what separates parameters, segments or words is written encoded there.
values = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), max_size=20
).map(lambda tail: quote(f"Hunter2{tail}", safe="!$'()*+,:=@"))


def _is_named(value: str) -> bool:
    after = value.partition("=")[2].lstrip("=")
    return bool(after) and after[0] not in "'\"`,.:!)]}>"


@example("Hunter2=", "https://host/a.m3u8?{secret}", "cannot open '{url}'", False)
@example("Hunter2=", "https://host/a.m3u8?{secret}", '{{"url":"{url}","fps":0.5}}', False)
@example("Hunter2==", "https://host/a.m3u8#{secret}", "({url}), again", False)
@given(values, st.sampled_from(SHAPES), st.sampled_from(MESSAGES), st.booleans())
def test_no_secret_part_of_a_url_is_shown(
    value: str, shape: str, message: str, twice: bool
) -> None:
    # What stands alone and has a "=" with something after it is a name and its value.
    assume(not shape.endswith(("?{secret}", "#{secret}")) or not _is_named(value))
    url = shape.format(secret=value)
    text = message.format(url=f"{url} {url}" if twice else url)
    shown = redact(text)
    assert "Hunter2" not in shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "token",
    [
        "0123456789abcdef0123456789abcdef",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "x7Kp2mQ9vL4nR8sT1wZ6",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
        "dGhpc2lzYXZlcnlzZWNyZXR0b2tlbg%3D%3D",
    ],
)
def test_a_token_in_the_path_is_masked(token: str) -> None:
    assert redact(f"http://host/live/{token}/index.m3u8?x=1") == (
        f"http://host/live/{MASK}/index.m3u8?x={MASK}"
    )
    assert token in secrets_of(f"http://u:p@host/live/{token}/index.m3u8")


@pytest.mark.parametrize(
    "url",
    [
        "user:pw@host/x",
        "user:p/w@host/x",
        "user:p@ss@host/x",
        "user name:pw@host",
        "user:@host",
        "user@host:stuff",
        "user@10.0.0.7:554/s",
        "//user:pw@host/x",
        "rtsp:user:pw@host/x",
        "RTSP:/user:pw@host/x",
        "rtsp%3A%2F%2Fuser:pw@host/x",
        "user%3Apw%40host/x",
        "host:554/stream",
        "[fe80::1]:554/s",
    ],
)
def test_a_url_without_a_scheme_is_recognised(url: str) -> None:
    assert lacks_scheme(url)


@pytest.mark.parametrize(
    "name",
    [
        "recordings/dock.mp4",
        "/media/dock.mp4",
        "a@b.mp4",
        "clips/a@b:c.mp4",
        "./12:30@lobby.mp4",
        r"C:\clips\a@b.mp4",
        "C:/clips/a@b.mp4",
        "12:30.mp4",
        "file:///media/12:30@lobby.mp4",
        "rtsp://user:pw@host/x",
    ],
)
def test_file_names_are_not_taken_for_urls_without_a_scheme(name: str) -> None:
    assert not lacks_scheme(name)


def test_places_of_an_error_hold_no_value() -> None:
    def fails(password: str) -> None:
        raise ValueError(password)

    with pytest.raises(ValueError, match="hunter2") as caught:
        fails("hunter2")
    inner, outer = places(caught.value)
    assert re.fullmatch(r"test_redaction\.py:\d+ fails", inner)
    assert outer.endswith(" test_places_of_an_error_hold_no_value")
