"""A request is Twilio's when its signature is over the URL and the form it carries; everything else stays
out.
"""

import base64
import hashlib
import hmac
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from openclaw_sms.twilio import signature
from openclaw_sms.twilio.signature import SigningKeys, sign, verify
from openclaw_sms.twilio.urlencoded import fields_of

TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
CALL = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
SIGNED = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
SMS_URL = "https://sms.example.com/webhooks/sms"
TEXT = b"MessageSid=SM1&From=%2B15550001111&To=%2B15550002222&Body=hello+there&NumMedia=0"

words = st.text(st.characters(codec="utf-8"), max_size=30)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


def accepts(
    public_url: str = SMS_URL,
    *,
    body: bytes = TEXT,
    given_signature: str | None,
    query: str = "",
    settings: str | None = None,
    token: str = TOKEN,
    keys: SigningKeys | None = None,
) -> bool:
    keys = keys or SigningKeys(auth_tokens=(token,))
    return verify(
        public_url=public_url,
        query=query,
        body=body,
        signature=given_signature,
        settings=settings,
        keys=keys,
    )


def twilio_signs(url: str, *contents: bytes, token: str = TOKEN, digest: str = "sha1") -> str:
    """A signature written down here once more, independently: the URL and then the content, byte for byte."""
    message = b"".join((url.encode(), *contents))
    return base64.b64encode(hmac.new(token.encode(), message, digest).digest()).decode()


class TestOfficialVectors:
    """The facts of the official library's own tests, through our code."""

    @pytest.mark.parametrize(
        ("public_url", "expected"),
        [
            (URL, SIGNED),
            (URL.replace(".com", ".com:1234"), SIGNED),
            (URL.replace(".com", ".com:1234").replace("https", "http"), "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
            (URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
            (URL.replace("https", "http"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ],
        ids=["plain", "https with a port", "http with a port", "port 443 put in", "port 80 put in"],
    )
    def test_url_and_form(self, public_url: str, expected: str) -> None:
        assert accepts(public_url, body=urlencode(CALL).encode(), given_signature=expected)

    def test_repeated_fields_count_once_per_value_in_sorted_order(self) -> None:
        body = b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234"
        assert accepts(URL, body=body, given_signature="IK+Dwps556ElfBT0I3Rgjkr1wJU=")

    def test_body_hash_in_the_query_signs_the_url_alone(self) -> None:
        body_hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
        url, expected = f"{URL}&bodySHA256={body_hash}", "a9nBmqA0ju/hNViExpshrM61xv4="
        assert accepts(url, body=b"", given_signature=expected)
        # JSON is not read as anything but a strange form: a body without its own signature stays outside.
        assert not accepts(url, body=b'{"property": "value", "boolean": true}', given_signature=expected)

    def test_sign_makes_the_same(self) -> None:
        assert sign(url=URL, body=urlencode(CALL).encode(), token=TOKEN) == SIGNED
        assert sign(url=f"{URL}#rc=2&rp=all", body=urlencode(CALL).encode(), token=TOKEN) == SIGNED


class TestAgreementWithTheOfficialLibrary:
    @given(st.dictionaries(names, words, max_size=8), words)
    @example({"Body": " hello "}, "x")
    @example({"Body": ""}, "x")
    @example({"Body": "a+b %20&=;\x00\r\n🎈"}, "x")
    def test_any_form(self, form: dict[str, str], token: str) -> None:
        assume(token)
        expected = RequestValidator(token).compute_signature(SMS_URL, form)
        assert accepts(body=urlencode(form).encode(), given_signature=expected, token=token)
        assert sign(url=SMS_URL, body=urlencode(form).encode(), token=token) == expected

    @given(st.lists(st.tuples(names, words), max_size=12))
    def test_any_repeated_fields_in_any_order(self, fields: list[tuple[str, str]]) -> None:
        expected = RequestValidator(TOKEN).compute_signature(SMS_URL, MultiDict(fields))
        assert accepts(body=urlencode(fields).encode(), given_signature=expected)

    @given(
        st.sampled_from(["http", "https"]),
        st.sampled_from(["", ":443", ":80", ":8443"]),
        st.lists(st.tuples(names, words), max_size=4),
        st.booleans(),
    )
    def test_any_url(self, scheme: str, port: str, query: list[tuple[str, str]], configured: bool) -> None:
        encoded = urlencode(query)
        base = f"{scheme}://sms.example.com{port}/webhooks/sms"
        url = f"{base}?{encoded}" if encoded else base
        expected = RequestValidator(TOKEN).compute_signature(url, {"Body": "hi"})
        public_url = url if configured else base
        assert accepts(public_url, query=encoded, body=b"Body=hi", given_signature=expected)


def content(body: bytes) -> list[tuple[bytes, bytes]]:
    return sorted(set(fields_of(body)))


class TestForgeries:
    """Mallory has seen one signed request and changes a byte of it."""

    GENUINE = sign(url=SMS_URL, body=TEXT, token=TOKEN)

    def test_the_genuine_request_is_accepted(self) -> None:
        assert accepts(given_signature=self.GENUINE)

    @given(st.integers(0, len(TEXT) - 1), st.integers(1, 255))
    def test_another_body(self, place: int, change: int) -> None:
        forged = bytearray(TEXT)
        forged[place] ^= change
        # Twilio's scheme has no separators and percent-encoding has two spellings: those are the same
        # message.
        assume(b"".join(map(b"".join, content(bytes(forged)))) != b"".join(map(b"".join, content(TEXT))))
        assert not accepts(body=bytes(forged), given_signature=self.GENUINE)

    @given(st.integers(0, len(GENUINE) - 1), st.characters(codec="utf-8"))
    def test_another_signature(self, place: int, char: str) -> None:
        assume(char != self.GENUINE[place])
        assert not accepts(given_signature=self.GENUINE[:place] + char + self.GENUINE[place + 1 :])

    @given(st.integers(0, len(TOKEN) - 1), st.characters(codec="utf-8"))
    def test_another_token(self, place: int, char: str) -> None:
        assume(char != TOKEN[place])
        assert not accepts(given_signature=self.GENUINE, token=TOKEN[:place] + char + TOKEN[place + 1 :])

    @given(st.integers(0, len(SMS_URL) - 1), st.characters(codec="ascii", exclude_characters="#"))
    def test_another_url(self, place: int, char: str) -> None:
        assume(char != SMS_URL[place])
        assert not accepts(SMS_URL[:place] + char + SMS_URL[place + 1 :], given_signature=self.GENUINE)

    @pytest.mark.parametrize("nothing", [None, "", " ", ",", "undefined", "é", "\ud800"])
    def test_no_signature(self, nothing: str | None) -> None:
        assert not accepts(given_signature=nothing)

    @pytest.mark.parametrize("tokens", [(), ("",), ("", "")])
    def test_no_key_lets_nobody_in(self, tokens: tuple[str, ...]) -> None:
        keys = SigningKeys(auth_tokens=tokens)
        assert not accepts(given_signature=sign(url=SMS_URL, body=TEXT, token=""), keys=keys)

    def test_no_public_url_lets_nobody_in(self) -> None:
        assert not accepts("", given_signature=sign(url="", body=TEXT, token=TOKEN))

    @given(
        st.text(max_size=40),
        st.text(max_size=40),
        st.binary(max_size=200),
        st.none() | st.text(max_size=40),
        st.none() | st.text(max_size=60),
    )
    def test_nothing_a_stranger_sends_raises(
        self, url: str, query: str, body: bytes, given_signature: str | None, settings: str | None
    ) -> None:
        assert accepts(url, query=query, body=body, given_signature=given_signature, settings=settings) is False


class TestForms:
    @pytest.mark.parametrize(
        ("body", "signed"),
        [
            (b"Body=", b"Body"),
            (b"Body", b"Body"),
            (b"Body=&FromCity=", b"BodyFromCity"),
            (b"Body=+hi+", b"Body hi "),
            (b"Body=%20hi%0A", b"Body hi\n"),
            (b"Body=a%2Bb", b"Bodya+b"),
            (b"Body=1=2", b"Body1=2"),
            (b"Body=100%", b"Body100%"),
            (b"Body=a;b", b"Bodya;b"),
            (b"&&Body=hi&&", b"Bodyhi"),
            (b"B=2&A=1&B=1&B=2", b"A1B1" + b"B2"),
            (b"a=1&B=2", b"B2a1"),
            (b"Body=%00", b"Body\x00"),
            (b"Body=%F0%9F%8E%88", b"Body\xf0\x9f\x8e\x88"),
            (b"", b""),
        ],
    )
    def test_what_goes_into_the_hash(self, body: bytes, signed: bytes) -> None:
        assert accepts(body=body, given_signature=twilio_signs(SMS_URL, signed))

    @pytest.mark.parametrize("body", [b"Body=caf%E9", b"Body=caf\xe9"])
    def test_latin_1_is_accepted_as_it_stands_and_as_utf_8(self, body: bytes) -> None:
        assert accepts(body=body, given_signature=twilio_signs(SMS_URL, b"Bodycaf\xe9"))
        assert accepts(body=body, given_signature=twilio_signs(SMS_URL, "Bodycafé".encode()))

    def test_a_lossy_reading_is_not_accepted(self) -> None:
        lossy = twilio_signs(SMS_URL, "Bodycaf\ufffd".encode())
        assert not accepts(body=b"Body=caf%E9", given_signature=lossy)

    def test_utf_8_is_not_read_as_latin_1(self) -> None:
        misread = twilio_signs(SMS_URL, "Bodycafé".encode().decode("latin-1").encode())
        assert not accepts(body="Body=café".encode(), given_signature=misread)

    @given(st.binary(max_size=60))
    def test_any_bytes_are_accepted_under_their_own_signature(self, value: bytes) -> None:
        body = b"Body=" + quote_plus(value).encode()
        assert accepts(body=body, given_signature=twilio_signs(SMS_URL, b"Body", value))


class TestUrls:
    @pytest.mark.parametrize(
        ("public_url", "signed"),
        [
            ("https://h.example/p", "https://h.example:443/p"),
            ("https://h.example:443/p", "https://h.example/p"),
            ("https://h.example:8443/p", "https://h.example:8443/p"),
            ("https://h.example:8443/p", "https://h.example/p"),
            ("http://h.example/p", "http://h.example:80/p"),
            ("https://[2001:db8::1]/p", "https://[2001:db8::1]:443/p"),
            ("https://[2001:db8::1]:443/p", "https://[2001:db8::1]/p"),
            ("https://alice:secret@h.example/p", "https://alice:secret@h.example/p"),
            ("https://alice:secret@h.example/p", "https://h.example/p"),
            ("https://alice:secret@h.example:443/p", "https://h.example/p"),
            ("https://h.example", "https://h.example:443"),
            ("https://h.example/p#rc=2&rp=all", "https://h.example/p"),
            ("https://h.example/p?a=1#rc=2", "https://h.example/p?a=1"),
            ("https://h.example/p", "https://h.example/p?"),
            ("https://h.example/p?", "https://h.example/p"),
            ("HTTPS://H.example/P", "HTTPS://H.example:443/P"),
        ],
    )
    def test_spellings_of_the_configured_url(self, public_url: str, signed: str) -> None:
        assert accepts(public_url, body=b"", given_signature=twilio_signs(signed))

    @pytest.mark.parametrize(
        ("public_url", "signed"),
        [
            ("https://h.example/p", "http://h.example/p"),
            ("https://h.example/p", "https://h.example:80/p"),
            ("https://h.example:8443/p", "https://h.example:443/p"),
            ("https://h.example/p", "https://h.example/p/"),
            ("https://h.example/p", "https://h.example/P"),
            ("https://h.example/p", "https://other.example/p"),
            ("https://h.example/p", "https://h.example/p#rc=2"),
        ],
    )
    def test_other_urls(self, public_url: str, signed: str) -> None:
        assert not accepts(public_url, body=b"", given_signature=twilio_signs(signed))

    @pytest.mark.parametrize(
        ("received", "signed"),
        [
            ("account=main", "account=main"),
            ("b=2&a=1&b=1", "b=2&a=1&b=1"),
            ("q=a+b", "q=a+b"),
            ("q=a%20b", "q=a%20b"),
            ("q=%c3%a9&x=%C3%A9", "q=%c3%a9&x=%C3%A9"),
            ("who=o%27brien", "who=o'brien"),
            ("who=o'brien", "who=o%27brien"),
            ("who=o%27brien&at=a%40b", "who=o'brien&at=a%40b"),
            ("to=alice%40example.com", "to=alice@example.com"),
            ("to=alice@example.com", "to=alice%40example.com"),
            ("at=10%3A30", "at=10:30"),
            ("at=10:30", "at=10%3A30"),
            ("at=10%3a30", "at=10:30"),
            ("empty=&novalue", "empty=&novalue"),
        ],
    )
    def test_the_requests_query_as_received_or_before_encoding(self, received: str, signed: str) -> None:
        expected = twilio_signs(f"{SMS_URL}?{signed}")
        assert accepts(query=received, body=b"", given_signature=expected)

    @pytest.mark.parametrize(
        ("received", "signed"),
        [("b=2&a=1", "a=1&b=2"), ("q=a+b", "q=a%20b"), ("q=%7Ea", "q=~a"), ("a=1", ""), ("a=1", "a=1&b=2")],
    )
    def test_a_query_is_never_rewritten(self, received: str, signed: str) -> None:
        expected = twilio_signs(f"{SMS_URL}?{signed}")
        assert not accepts(query=received, body=b"", given_signature=expected)

    def test_bytes_in_the_query_are_kept(self) -> None:
        expected = base64.b64encode(
            hmac.new(TOKEN.encode(), f"{SMS_URL}?q=".encode() + b"\xc3\xa9", hashlib.sha1).digest()
        ).decode()
        assert accepts(query=b"q=\xc3\xa9".decode("latin-1"), body=b"", given_signature=expected)

    def test_a_configured_query_stands_whatever_the_request_says(self) -> None:
        configured = f"{SMS_URL}?key=1"
        assert accepts(configured, query="key=2", body=b"", given_signature=twilio_signs(configured))
        assert not accepts(configured, query="key=2", body=b"", given_signature=twilio_signs(f"{SMS_URL}?key=2"))

    def test_the_number_of_spellings_is_bounded(self) -> None:
        most = signature._spellings("https://u:p@h.example/p", "a='%27@%40:%3A%3a")
        assert len(list(most)) == 16
        assert len(list(signature._spellings(SMS_URL, ""))) == 4


class TestKeys:
    SHARED = "webhooks_sharedkey_01"
    SETTINGS = f"key={SHARED},algorithm=HMAC_SHA256"
    KEYS = SigningKeys(auth_tokens=(TOKEN,), shared_keys={SHARED: "shared-secret", "blank": ""})

    def official(self, secret: str, algorithm: str) -> str:
        form = {"Body": "hi"}
        return str(RequestValidator(secret).compute_signature(SMS_URL, form, algorithm))

    def accepts(self, given_signature: str, settings: str | None) -> bool:
        return accepts(body=b"Body=hi", given_signature=given_signature, settings=settings, keys=self.KEYS)

    def test_every_token_is_tried_while_tokens_are_rotated(self) -> None:
        keys = SigningKeys(auth_tokens=("", "next", TOKEN))
        for token in ("next", TOKEN):
            assert accepts(given_signature=sign(url=SMS_URL, body=TEXT, token=token), keys=keys)
        assert not accepts(given_signature=sign(url=SMS_URL, body=TEXT, token="retired"), keys=keys)

    @pytest.mark.parametrize(
        "settings", [SETTINGS, f" algorithm = hmac_sha256 , key = {SHARED} ", f"{SETTINGS},new=1"]
    )
    def test_a_shared_key_signs_with_sha_256(self, settings: str) -> None:
        assert self.accepts(self.official("shared-secret", "HMAC_SHA256"), settings)

    def test_a_shared_key_signs_with_the_algorithm_named(self) -> None:
        named = f"key={self.SHARED},algorithm=HMAC_SHA1"
        assert self.accepts(self.official("shared-secret", "HMAC_SHA1"), named)
        assert not self.accepts(self.official("shared-secret", "HMAC_SHA256"), named)
        assert not self.accepts(self.official("shared-secret", "HMAC_SHA1"), self.SETTINGS)

    @pytest.mark.parametrize(
        "settings",
        [
            SETTINGS,
            "algorithm=HMAC_SHA256",
            "key=unknown,algorithm=HMAC_SHA256",
            "key=blank,algorithm=HMAC_SHA256",
            f"key={SHARED},algorithm=HMAC_MD5",
        ],
    )
    def test_a_settings_header_never_opens_the_door_to_the_auth_token(self, settings: str) -> None:
        for secret in (TOKEN, ""):
            for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
                assert not self.accepts(self.official(secret, algorithm), settings)

    @pytest.mark.parametrize("settings", [None, "", "  ", "algorithm=HMAC_SHA1"])
    def test_without_a_shared_key_the_auth_token_signs_with_sha_1(self, settings: str | None) -> None:
        assert self.accepts(self.official(TOKEN, "HMAC_SHA1"), settings)
        assert not self.accepts(self.official(TOKEN, "HMAC_SHA256"), settings)
        assert not self.accepts(self.official("shared-secret", "HMAC_SHA256"), settings)

    def test_surrounding_space_and_a_repeated_header_are_tolerated(self) -> None:
        genuine = sign(url=SMS_URL, body=TEXT, token=TOKEN)
        assert accepts(given_signature=f"  {genuine}\t")
        assert accepts(given_signature=f"{genuine}, forged")
        assert not accepts(given_signature=f"forged, {genuine}")

    def test_no_secret_in_the_repr(self) -> None:
        assert TOKEN not in repr(self.KEYS)
        assert "shared-secret" not in repr(self.KEYS)


def test_headers_have_twilios_names() -> None:
    assert quote(signature.SIGNATURE_HEADER) == "X-Twilio-Signature"
    assert signature.SETTINGS_HEADER == "X-Twilio-Webhooks-Signature-Settings"
