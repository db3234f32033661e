"""Where Twilio reports a text's fate to, and how our own part's id comes back under the signature."""

from urllib.parse import urlsplit

import pytest
from twilio.request_validator import RequestValidator

from openclaw_sms.twilio.callbacks import MAX_URL_LENGTH, is_loopback, part_of, status_callback_url
from openclaw_sms.twilio.signature import SigningKeys, sign, verify

PART = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"
PUBLIC_URL = "https://sms.example.com/webhooks/sms"
RETRIES = "rc=1&rt=5000&rp=ct,rt,5xx"
REPORT = b"MessageSid=SM1&MessageStatus=delivered"
KEYS = SigningKeys(auth_tokens=("token",))

USABLE = [
    PUBLIC_URL,
    f"{PUBLIC_URL}?",
    f"{PUBLIC_URL}?account=main",
    f"{PUBLIC_URL}?a=1&b=%27x",
    f"{PUBLIC_URL}#rc=3&rp=all",
    "https://sms.example.com:8443/webhooks/sms?a=1#ct=1000",
    "http://sms.example.com",
    "https://8.8.8.8/webhooks/sms",
    "https://[2606:4700::1111]/webhooks/sms",
]
UNUSABLE = [
    "",
    "sms.example.com/webhooks/sms",
    "ftp://sms.example.com/",
    "https://",
    "https://sms.example.com:port/",
    "https://alice:secret@sms.example.com/",
    "https://my_host.example.com/",
    "https://gateway/webhooks/sms",
    "https://localhost/webhooks/sms",
    "https://gateway.localhost/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://[::1]/",
    "https://[fe80::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::1/",
    "https://sms..example.com/",
    "https://-sms.example.com/",
    "https://sms.example.com/a b",
    "https://sms.example.com/caf\u00e9",
    "https://sms.example.com/%zz",
]


def path_of(url: str) -> str:
    return url.partition("#")[0]


class TestDerivation:
    def test_the_public_url_with_the_parts_id_and_retries(self) -> None:
        assert status_callback_url(PUBLIC_URL, part=PART) == f"{PUBLIC_URL}?part={PART}#{RETRIES}"

    def test_a_configured_query_stays_in_front(self) -> None:
        callback = status_callback_url(f"{PUBLIC_URL}?account=main", part=PART)
        assert path_of(callback) == f"{PUBLIC_URL}?account=main&part={PART}"

    @pytest.mark.parametrize(
        ("fragment", "completed"),
        [
            ("", RETRIES),
            ("rc=2", "rc=2&rt=5000&rp=ct,rt,5xx"),
            ("rc=0", RETRIES),
            ("rc=6", RETRIES),
            ("rc=many", RETRIES),
            ("rc=5&rt=15000&rp=all", "rc=5&rt=15000&rp=all"),
            ("rt=99", "rt=5000&rc=1&rp=ct,rt,5xx"),
            ("rt=100", "rt=100&rc=1&rp=ct,rt,5xx"),
            ("rp=4xx", "rp=4xx,ct,rt,5xx&rc=1&rt=5000"),
            ("rp=rt,ct", "rp=rt,ct,5xx&rc=1&rt=5000"),
            ("ct=1000&e=dublin", "ct=1000&e=dublin&rc=1&rt=5000&rp=ct,rt,5xx"),
            ("section", RETRIES),
        ],
    )
    def test_connection_overrides_are_kept_and_completed(self, fragment: str, completed: str) -> None:
        assert status_callback_url(f"{PUBLIC_URL}#{fragment}", part=PART).partition("#")[2] == completed

    @pytest.mark.parametrize("public_url", UNUSABLE)
    def test_a_url_twilio_cannot_reach_gives_none(self, public_url: str) -> None:
        assert status_callback_url(public_url, part=PART) == ""

    def test_a_url_too_long_for_twilio_gives_none(self) -> None:
        room = MAX_URL_LENGTH - len(status_callback_url(f"{PUBLIC_URL}/", part=PART))
        assert len(status_callback_url(f"{PUBLIC_URL}/{'x' * room}", part=PART)) == MAX_URL_LENGTH
        assert status_callback_url(f"{PUBLIC_URL}/{'x' * (room + 1)}", part=PART) == ""

    @pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"])
    def test_this_machine_only_when_allowed(self, host: str) -> None:
        url = f"http://{host}/webhooks/sms"
        assert status_callback_url(url, part=PART, allow_loopback=True).startswith(f"{url}?part={PART}#")
        assert status_callback_url(url, part=PART) == ""
        assert status_callback_url("http://10.0.0.1/", part=PART, allow_loopback=True) == ""

    @pytest.mark.parametrize("part", ["", "a b", "a&b=c", "x" * 65, "é"])
    def test_a_part_that_would_need_encoding_is_a_mistake(self, part: str) -> None:
        with pytest.raises(ValueError, match="a part's id"):
            status_callback_url(PUBLIC_URL, part=part)


class TestRoundTrip:
    """Twilio reports to the URL we derived and signs it without the fragment; the webhook passes its raw
    query.
    """

    @pytest.mark.parametrize("public_url", USABLE)
    def test_the_signature_verifies_and_the_part_is_found(self, public_url: str) -> None:
        called = path_of(status_callback_url(public_url, part=PART))
        query = urlsplit(called).query
        form = {"MessageSid": "SM1", "MessageStatus": "delivered"}
        signature = RequestValidator("token").compute_signature(called, form)
        assert verify(public_url=public_url, query=query, body=REPORT, signature=signature, settings=None, keys=KEYS)
        assert part_of(public_url=public_url, query=query) == PART

    @pytest.mark.parametrize("public_url", USABLE)
    def test_mallory_cannot_put_an_id_on_a_signed_request_that_had_none(self, public_url: str) -> None:
        signature = sign(url=public_url, body=REPORT, token="token")
        query = urlsplit(path_of(status_callback_url(public_url, part=PART))).query
        assert not verify(
            public_url=public_url, query=query, body=REPORT, signature=signature, settings=None, keys=KEYS
        )

    @pytest.mark.parametrize(
        ("public_url", "query"),
        [
            (PUBLIC_URL, ""),
            (PUBLIC_URL, "part="),
            (PUBLIC_URL, f"x=1&part={PART}"),
            (PUBLIC_URL, f"part={PART}&x=1"),
            (PUBLIC_URL, "part=a%20b"),
            (f"{PUBLIC_URL}?a=1", f"part={PART}"),
            (f"{PUBLIC_URL}?a=1", f"a=2&part={PART}"),
            (f"{PUBLIC_URL}?a=1", "a=1"),
        ],
    )
    def test_an_id_in_any_other_place_is_not_believed(self, public_url: str, query: str) -> None:
        assert part_of(public_url=public_url, query=query) == ""


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "8.8.8.8", "10.0.0.1", "::2", "localhost.example.com"])
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)
