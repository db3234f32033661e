"""Fetching media over real sockets: from whom, with what, how far, and how long."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from openclaw_sms.twilio import media
from openclaw_sms.twilio.client import Credentials
from openclaw_sms.twilio.media import Fetched, MediaSource, NotFetched
from tests.support import cast
from tests.support.loopback import Answer, LoopbackServer, Request, free_port
from tests.support.pictures import png
from tests.support.pretend_twilio import HeldMedia, PretendTwilio

SID = "MM" + "1" * 32
CREDENTIALS = Credentials(cast.ACCOUNT_SID, cast.AUTH_TOKEN)
TWILIO = MediaSource(CREDENTIALS, SID)
RESOURCE = f"/2010-04-01/Accounts/{cast.ACCOUNT_SID}/Messages/{SID}/Media/ME{'a' * 32}"


class Listener(LoopbackServer):
    """Somebody who must never be asked."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        return Answer(200, png(), {"Content-Type": "image/png"})


@pytest.fixture
def twilio() -> Iterator[PretendTwilio]:
    with PretendTwilio(cast.ACCOUNT_SID, cast.AUTH_TOKEN, cast.OUR_NUMBER) as server:
        yield server


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        yield server


def fetch(url: str, base: str, *, limit: int = 5_000_000, seconds: float = 30) -> Fetched:
    source = MediaSource(CREDENTIALS, SID, base)
    return source.fetch(url, limit=limit, deadline=time.monotonic() + seconds)


def why(call: Callable[[], Fetched]) -> tuple[str, bool]:
    with pytest.raises(NotFetched) as caught:
        call()
    assert caught.value.__context__ is None, "the library's error quotes the address"
    return str(caught.value), caught.value.again


class TestWhereCredentialsGo:
    def test_to_a_media_resource_of_this_message(self) -> None:
        assert TWILIO.is_own(f"https://api.twilio.com{RESOURCE}")
        assert TWILIO.is_own(f"https://api.twilio.com:443{RESOURCE}")

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "file:///etc/passwd",
            f"http://api.twilio.com{RESOURCE}",
            f"https://api.twilio.com:8443{RESOURCE}",
            f"https://api.twilio.com.example.com{RESOURCE}",
            f"https://eviltwilio.com{RESOURCE}",
            f"https://example.com{RESOURCE}",
            f"https://user@api.twilio.com{RESOURCE}",
            f"https://api.twilio.com@example.com{RESOURCE}",
            f"https://api.twilio.com\\@example.com{RESOURCE}",
            f"https://mms.twiliocdn.com{RESOURCE}",
            f"https://api.twilio.com{RESOURCE}?x=1",
            f"https://api.twilio.com{RESOURCE}#x",
            f"https://api.twilio.com{RESOURCE}/../../x",
            f"https://api.twilio.com{RESOURCE}0",
            f"https://api.twilio.com{RESOURCE[:-1]}",
            f"https://api.twilio.com{RESOURCE.replace('AC0', 'AC1')}",
            f"https://api.twilio.com{RESOURCE.replace('MM1', 'MM2')}",
            f"https://api.twilio.com/x{RESOURCE}",
            f"https://127.0.0.1{RESOURCE}",
            f"https://api.twilio.com\n{RESOURCE}",
            "https://[::1",
        ],
    )
    def test_and_nowhere_else(self, url: str) -> None:
        assert not TWILIO.is_own(url)
        assert why(lambda: TWILIO.fetch(url, limit=10, deadline=time.monotonic() + 5)) == (media.FOREIGN, False)

    def test_a_regional_host_counts_when_it_is_where_the_api_is(self) -> None:
        regional = MediaSource(CREDENTIALS, SID, "https://api.dublin.ie1.twilio.com")
        assert regional.is_own(f"https://api.dublin.ie1.twilio.com{RESOURCE}")
        assert not TWILIO.is_own(f"https://api.dublin.ie1.twilio.com{RESOURCE}")
        assert not MediaSource(CREDENTIALS, SID, "https://proxy.example.com").is_own(
            f"https://proxy.example.com{RESOURCE}"
        )

    def test_a_pretend_twilio_stands_in_for_the_real_one(self) -> None:
        source = MediaSource(CREDENTIALS, SID, "http://127.0.0.1:9999/sandbox/twilio")
        assert source.is_own(f"http://127.0.0.1:9999/sandbox/twilio{RESOURCE}")
        assert source.is_own(f"https://api.twilio.com{RESOURCE}")
        assert not source.is_own(f"http://127.0.0.1:9998/sandbox/twilio{RESOURCE}")


class TestRedirects:
    @pytest.mark.parametrize(
        "url",
        [
            "https://mms.twiliocdn.com/AC1/x",
            "https://media.twiliocdn.com/AC1/x?Signature=a%2Bb@c",
            "https://s3-external-1.amazonaws.com/media.twiliocdn.com/AC1/x",
            "https://eu.media.twiliocdn.com/x",
        ],
    )
    def test_lead_to_the_cdn(self, url: str) -> None:
        assert TWILIO.is_cdn(url)

    @pytest.mark.parametrize(
        "url",
        [
            "http://mms.twiliocdn.com/x",
            "https://mms.twiliocdn.com:444/x",
            "https://user:pw@mms.twiliocdn.com/x",
            "https://twiliocdn.com.example.com/x",
            "https://eviltwiliocdn.com/x",
            "https://s3.amazonaws.com/x",
            "https://bucket.s3-external-1.amazonaws.com/x",
            "https://api.twilio.com/x",
            "https://127.0.0.1/x",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/x",
            "https://10.0.0.1/x",
            "file:///etc/passwd",
            "//",
            "",
        ],
    )
    def test_lead_nowhere_else(self, url: str) -> None:
        assert not TWILIO.is_cdn(url)

    def test_are_followed_without_credentials(self, twilio: PretendTwilio) -> None:
        held = twilio.holds(SID, png())
        assert fetch(held.url, twilio.origin) == Fetched("image/png", png())
        first, second = twilio.requests
        assert first.headers["authorization"].startswith("Basic ")
        assert second.path.startswith("/cdn/")
        assert "authorization" not in second.headers

    @pytest.mark.parametrize(
        "elsewhere",
        ["{origin}/x", "//127.0.0.1:{port}/x", "http://localhost:{port}/x", "http://user@127.0.0.1:{port}/x"],
    )
    def test_to_a_private_address_are_never_followed(
        self, elsewhere: str, twilio: PretendTwilio, listener: Listener
    ) -> None:
        held = twilio.holds(SID, png())
        held.elsewhere = elsewhere.format(origin=listener.origin, port=listener.origin.rpartition(":")[2])
        assert why(lambda: fetch(held.url, twilio.origin)) == (media.ASTRAY, False)
        assert listener.requests == []

    def test_do_not_go_on_for_ever(self, twilio: PretendTwilio) -> None:
        held = twilio.holds(SID, png())
        held.elsewhere = held.url
        assert why(lambda: fetch(held.url, twilio.origin)) == (media.LOCKED, False)  # the second time without a token


class TestTheAddressBehindAName:
    """The list of hosts is one lock; that the name means a public address is the other."""

    def test_a_name_of_twilios_that_resolves_to_this_machine_is_not_asked(
        self, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = int(listener.origin.rpartition(":")[2])
        asked = []

        def poisoned(host: str, *_: object, **__: object) -> list[object]:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", poisoned)
        monkeypatch.setattr("urllib.request.getproxies", dict)
        url = f"https://api.twilio.com{RESOURCE}"
        assert why(lambda: fetch(url, "https://api.twilio.com")) == (media.NO_ANSWER, True)
        assert asked == ["api.twilio.com"]
        assert listener.requests == []


def test_a_proxy_of_this_machines_settings_is_used_for_twilio(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[bytes] = []
    with raw_server(b"HTTP/1.1 403 Forbidden\r\n\r\n", heard=said) as base:
        proxy = base.replace("http://", "http://user:word@")
        monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": proxy})
        monkeypatch.setattr("urllib.request.proxy_bypass", lambda host: False)
        url = f"https://api.twilio.com{RESOURCE}"
        assert why(lambda: fetch(url, "https://api.twilio.com")) == (media.NO_ANSWER, True)
    assert said[0].startswith(b"CONNECT api.twilio.com:443 ")
    assert b"Proxy-Authorization: Basic dXNlcjp3b3Jk" in said[0]
    assert cast.ACCOUNT_SID.encode() not in said[0]


class TestWhatGoesWrong:
    @pytest.mark.parametrize(
        ("status", "words", "again"),
        [
            (401, media.LOCKED, False),
            (404, media.GONE, False),
            (400, "Twilio answered 400", False),
            (408, "Twilio answered 408", True),
            (429, "Twilio answered 429", True),
            (500, "Twilio answered 500", True),
            (503, "Twilio answered 503", True),
        ],
    )
    def test_by_status(self, status: int, words: str, again: bool, twilio: PretendTwilio) -> None:
        held = twilio.holds(SID, png())
        held.failures.append(status)
        assert why(lambda: fetch(held.url, twilio.origin)) == (words, again)

    def test_nobody_there(self) -> None:
        base = f"http://127.0.0.1:{free_port()}"
        assert why(lambda: fetch(base + RESOURCE, base)) == (media.NO_ANSWER, True)

    def test_more_bytes_than_allowed(self, twilio: PretendTwilio) -> None:
        held = twilio.holds(SID, png())
        size = len(held.data)
        assert fetch(held.url, twilio.origin, limit=size).data == held.data
        assert why(lambda: fetch(held.url, twilio.origin, limit=size - 1)) == (media.TOO_LARGE, False)

    def test_more_bytes_than_announced(self) -> None:
        """A body without Content-Length is counted as it comes."""
        with raw_server(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", b"x" * 4096, times=500) as base:
            assert why(lambda: fetch(base + RESOURCE, base, limit=100_000)) == (media.TOO_LARGE, False)

    def test_compressed_bytes_are_not_unpacked(self) -> None:
        with raw_server(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx") as base:
            assert why(lambda: fetch(base + RESOURCE, base)) == ("Twilio sent it compressed", False)

    @pytest.mark.parametrize(
        "start", [b"HTTP/1.1 200 OK\r\nX-Drip: ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"]
    )
    def test_a_drip_ends_with_the_time_for_all(self, start: bytes) -> None:
        with raw_server(start, b"x", times=100_000, pause=0.05) as base:
            assert why(lambda: fetch(base + RESOURCE, base, seconds=0.4)) == (media.TOO_SLOW, True)

    def test_a_connection_that_breaks_off(self) -> None:
        with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") as base:
            assert why(lambda: fetch(base + RESOURCE, base)) == (media.NO_ANSWER, True)


def test_an_address_of_the_real_twilio_is_asked_of_the_pretend_one(twilio: PretendTwilio) -> None:
    held = twilio.holds(SID, png())
    assert fetch(held.url.replace(twilio.origin, "https://api.twilio.com"), twilio.origin).data == png()


def test_a_fetched_file_shows_neither_bytes_nor_address(twilio: PretendTwilio) -> None:
    held: HeldMedia = twilio.holds(SID, png())
    assert "PNG" not in repr(fetch(held.url, twilio.origin))


@contextmanager
def raw_server(
    start: bytes, piece: bytes = b"", *, times: int = 0, pause: float = 0, heard: list[bytes] | None = None
) -> Iterator[str]:
    """A server that says exactly these bytes to one client, and then `piece` again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=_say, args=(listening, start, piece, times, pause, heard), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    thread.join(10)


def _say(
    listening: socket.socket, start: bytes, piece: bytes, times: int, pause: float, heard: list[bytes] | None
) -> None:
    connection, _ = listening.accept()
    with connection:
        request = connection.recv(65_536)
        if heard is not None:
            heard.append(request)
        try:
            connection.sendall(start)
            for _ in range(times):
                connection.sendall(piece)
                time.sleep(pause)
        except OSError:
            pass  # the client has had enough
