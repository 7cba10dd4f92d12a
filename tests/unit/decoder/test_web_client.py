"""The web client: where requests go, what they carry, and to whom."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from hermes.v1.camera_pb2 import SOURCE_ERROR_AUTH, SOURCE_ERROR_ENDED, SOURCE_ERROR_REFUSED
from services.common.networks import Networks
from services.decoder.dialer import Dialer
from services.decoder.faults import SourceFault
from services.decoder.web_client import Answer, WebClient
from tests.support.origin import Answerer, Origin, answer, redirect

Clients = Callable[..., WebClient]

BOTH = frozenset({"http", "https"})
BASIC = "Basic " + base64.b64encode(b"viewer:right word").decode()


@pytest.fixture
def client() -> Iterator[Callable[..., WebClient]]:
    clients: list[WebClient] = []

    def make(schemes: frozenset[str] = BOTH) -> WebClient:
        clients.append(WebClient(Dialer(Networks.parse("127.0.0.2", "")), schemes, 2.0))
        return clients[-1]

    yield make
    for made in clients:
        made.close()


def whole(got: Answer) -> bytes:
    return b"".join(iter(lambda: got.read(65536), b""))


def basic(body: bytes) -> Answerer:
    def page(request: BaseHTTPRequestHandler) -> None:
        if request.headers.get("Authorization") == BASIC:
            answer(request, body)
        else:
            answer(request, b"no", 401, WWW_Authenticate='Basic realm="cameras"')

    return page


def test_a_connection_is_used_again(client: Clients) -> None:
    with Origin({"/a": b"a" * 100_000, "/b": b"b"}) as origin:
        web = client()
        for path in ("/a", "/b", "/a"):
            got = web.open(origin.url(path))
            assert whole(got) == origin.pages[path]
            got.close()
        assert origin.connections == 1
        web.open(origin.url("/a")).close()  # unread
        web.open(origin.url("/b")).close()
        assert origin.connections == 2


def test_a_connection_that_the_server_closed_meanwhile_is_made_anew(client: Clients) -> None:
    def page(request: BaseHTTPRequestHandler) -> None:
        answer(request, b"x")
        request.close_connection = True

    with Origin({"/a": page}) as origin:
        web = client()
        for _ in range(3):
            got = web.open(origin.url("/a"))
            assert got.read(10) == b"x"
            assert got.read(10) == b""
            got.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_denied_address_is_refused_without_a_request(
    status: int, client: Clients
) -> None:
    with Origin({"/inside": b"secret"}, host="127.0.0.2") as inside:
        leads = inside.url("/inside?token=s3cretw0rd")
        with Origin({"/v": redirect(leads, status)}) as origin:
            with pytest.raises(SourceFault, match=r"it leads to 127\.0\.0\.2") as refused:
                client().open(origin.url("/v"))
            assert refused.value.error == SOURCE_ERROR_REFUSED
            assert "s3cret" not in refused.value.message
        assert inside.connections == 0


@pytest.mark.parametrize("leads", ["file:///etc/passwd", "ftp://127.0.0.1/x", "rtsp://127.0.0.1/x"])
def test_a_redirect_to_another_protocol_is_refused(leads: str, client: Clients) -> None:
    with (
        Origin({"/v": redirect(leads)}) as origin,
        pytest.raises(SourceFault, match="protocol that is not allowed"),
    ):
        client().open(origin.url("/v"))


def test_redirects_are_followed_so_often_and_no_further(client: Clients) -> None:
    pages: dict[str, bytes | Answerer] = {f"/{n}": redirect(f"/{n + 1}") for n in range(20)}
    pages["/8"] = b"there"
    with Origin(pages) as origin:
        got = client().open(origin.url("/0"))
        assert (got.read(10), got.url) == (b"there", origin.url("/8"))
        pages["/8"] = redirect("/9")
        with pytest.raises(SourceFault, match="more than 8 redirects"):
            client().open(origin.url("/0"))


def test_a_login_is_shown_to_its_server_when_asked_and_to_no_other(client: Clients) -> None:
    with Origin({"/v": b"other"}) as other:
        pages: dict[str, bytes | Answerer] = {
            "/v": basic(b"right"),
            "/away": redirect(other.url("/v")),
            "/open": b"open",
        }
        with Origin(pages) as origin:
            web = client()
            got = web.open(origin.url("/v", "viewer:right%20word"))
            assert got.read(10) == b"right"
            assert got.url == origin.url("/v")
            assert "authorization" not in origin.asked[0][1], "not before the server asks"
            web.open(origin.url("/away"))
            assert "authorization" in origin.asked[-1][1]
            assert "authorization" not in other.asked[0][1]
            with pytest.raises(SourceFault) as refused:
                client().open(origin.url("/v", "viewer:wrong"))
            assert refused.value.error == SOURCE_ERROR_AUTH
            assert "wrong or missing credentials (401 Unauthorized)" in refused.value.message


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", ""])
@pytest.mark.parametrize("quality", ["auth", "auth,auth-int", ""])
def test_a_digest_login(algorithm: str, quality: str, client: Clients) -> None:
    def page(request: BaseHTTPRequestHandler) -> None:
        shown = request.headers.get("Authorization", "")
        if shown.startswith("Digest ") and right(shown.removeprefix("Digest ")):
            answer(request, b"right")
            return
        asked = 'Digest realm="a, b", nonce="n=1", opaque="o"'
        asked += f", algorithm={algorithm}" if algorithm else ""
        asked += f', qop="{quality}"' if quality else ""
        answer(request, b"", 401, WWW_Authenticate=asked)

    def right(shown: str) -> bool:
        given = {
            key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|[^ ,]+)', shown)
        }
        kind = hashlib.sha256 if algorithm == "SHA-256" else hashlib.md5

        def digest(text: str) -> str:
            return kind(text.encode()).hexdigest()

        first = digest("viewer:a, b:p@ss")
        if algorithm.endswith("sess"):
            first = digest(f"{first}:n=1:{given['cnonce']}" if "cnonce" in given else first)
            if "cnonce" not in given:
                return True  # without a quality the server does not learn it
        second = digest("GET:/v?a=1")
        middle = f"n=1:{given['nc']}:{given['cnonce']}:auth" if quality else "n=1"
        assert (given["uri"], given["opaque"]) == ("/v?a=1", "o")
        return bool(given["response"] == digest(f"{first}:{middle}:{second}"))

    with Origin({"/v": page}) as origin:
        web = client()
        for _ in range(2):
            assert web.open(origin.url("/v?a=1", "viewer:p%40ss")).read(10) == b"right"
        with pytest.raises(SourceFault, match="401"):
            client().open(origin.url("/v?a=1", "viewer:wrong")) if quality else client().open(
                origin.url("/v?a=1")
            )


def test_cookies_go_back_to_their_server_and_to_no_other(client: Clients) -> None:
    def page(request: BaseHTTPRequestHandler) -> None:
        answer(request, b"x", Set_Cookie="session=abc")

    with Origin({"/a": page, "/b": b"b"}) as origin, Origin({"/c": b"c"}, "127.0.0.3") as other:
        web = client()
        for url in (origin.url("/a"), origin.url("/b"), other.url("/c")):
            web.open(url).close()
        assert origin.asked[1][1]["cookie"] == "session=abc"
        assert "cookie" not in other.asked[0][1]


def test_a_server_that_closes_after_each_answer(client: Clients) -> None:
    def page(request: BaseHTTPRequestHandler) -> None:
        answer(request, b"x" * 300_000, Connection="close")

    with Origin({"/v": page}) as origin:
        web = client()
        for _ in range(2):
            got = web.open(origin.url("/v"))
            assert len(whole(got)) == 300_000
            got.close()


def test_a_body_that_breaks_off_is_no_end(client: Clients) -> None:
    def page(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
        request.wfile.write(b"half")
        request.close_connection = True

    with Origin({"/v": page}) as origin:
        got = client().open(origin.url("/v"))
        assert got.read(100) == b"half"
        with pytest.raises(ConnectionError):
            got.read(100)


def test_only_the_schemes_that_are_allowed(client: Clients) -> None:
    with Origin({"/v": b"x"}) as origin:
        with pytest.raises(SourceFault, match="protocol that is not allowed"):
            client(schemes=frozenset({"https"})).open(origin.url("/v"))
        assert origin.connections == 0


def test_a_redirect_to_nowhere(client: Clients) -> None:
    with Origin({"/v": lambda request: answer(request, b"", 302)}) as origin:
        with pytest.raises(SourceFault, match="to nowhere") as lost:
            client().open(origin.url("/v"))
        assert lost.value.error == SOURCE_ERROR_ENDED


def test_the_name_stays_in_the_host_header(client: Clients) -> None:
    with Origin({"/v": b"x"}) as origin:
        client().open(origin.url("/v", host="localhost")).close()
        assert origin.asked[0][1]["host"] == f"localhost:{origin.port}"
