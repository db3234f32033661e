"""What Twilio posts to us, as values."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_sms.twilio.payloads import (
    MAX_MEDIA,
    Expected,
    Form,
    InboundText,
    Media,
    Mismatch,
    MissingSid,
    StatusCallback,
    classify,
    identity_mismatch,
    parse_form,
)

ALICE, OURS = "+15550001111", "+15550002222"
TEXT = {
    "MessageSid": "SM1",
    "SmsSid": "SM1",
    "SmsMessageSid": "SM1",
    "SmsStatus": "received",
    "AccountSid": "AC1",
    "MessagingServiceSid": "MG1",
    "From": ALICE,
    "To": OURS,
    "Body": " hello ",
    "NumSegments": "1",
    "NumMedia": "0",
}
REPORT = {
    "MessageSid": "SM2",
    "MessageStatus": "undelivered",
    "SmsStatus": "undelivered",
    "AccountSid": "AC1",
    "ErrorCode": "30003",
    "RawDlrDoneDate": "2611231200",
}
words = st.text(st.characters(codec="utf-8"))
fields = st.lists(st.tuples(st.text(st.characters(codec="utf-8"), min_size=1), words))


def form(values: dict[str, str], **changes: str) -> Form:
    return Form(tuple((values | changes).items()))


def inbound(**changes: str) -> InboundText:
    text = classify(form(TEXT, **changes))
    assert isinstance(text, InboundText)
    return text


def report(**changes: str) -> StatusCallback:
    callback = classify(form(REPORT, **changes))
    assert isinstance(callback, StatusCallback)
    return callback


class TestParsing:
    @given(fields)
    def test_what_was_encoded_comes_out_in_order(self, given_fields: list[tuple[str, str]]) -> None:
        assert parse_form(urlencode(given_fields).encode()).fields == tuple(given_fields)

    @given(st.binary(max_size=300))
    def test_any_bytes_are_a_form(self, body: bytes) -> None:
        assert isinstance(parse_form(body), Form)

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b"", ()),
            (b"&&", ()),
            (b"Body", (("Body", ""),)),
            (b"Body=", (("Body", ""),)),
            (b"Body=+a%2Bb%0A", (("Body", " a+b\n"),)),
            (b"Body=a\x00b", (("Body", "a\x00b"),)),
            (b"Body=%F0%9F%8E%88", (("Body", "🎈"),)),
            (b"Body=caf%E9", (("Body", "café"),)),
            # One invalid field makes the whole form latin-1, as it does for the signature.
            (b"A=caf%C3%A9&B=caf%E9", (("A", "cafÃ©"), ("B", "café"))),
        ],
    )
    def test_spellings(self, body: bytes, expected: tuple[tuple[str, str], ...]) -> None:
        assert parse_form(body).fields == expected

    def test_the_first_of_repeated_fields(self) -> None:
        parsed = parse_form(b"To=a&To=b")
        assert parsed.first("To") == "a"
        assert parsed.first("From") == ""


class TestInboundText:
    def test_a_text(self) -> None:
        assert inbound() == InboundText(
            sid="SM1",
            account_sid="AC1",
            messaging_service_sid="MG1",
            sender=ALICE,
            recipient=OURS,
            body=" hello ",
            num_media=0,
            media=(),
            opt_out_type="",
            num_segments=1,
        )

    def test_a_picture(self) -> None:
        text = inbound(NumMedia="2", MediaUrl0="https://a", MediaContentType0="image/png", MediaUrl1="https://b")
        assert text.media == (Media("https://a", "image/png"), Media("https://b", ""))
        assert text.num_media == 2

    def test_media_beyond_twilios_limit_are_counted_but_not_listed(self) -> None:
        urls = {f"MediaUrl{number}": f"https://{number}" for number in range(MAX_MEDIA + 5)}
        text = inbound(NumMedia="9999", **urls)
        assert (text.num_media, len(text.media)) == (9999, MAX_MEDIA)

    @pytest.mark.parametrize("number", ["-1", "1.0", "one", " 1", "\u0661", "99999", "1e1"])
    def test_a_count_that_is_no_number(self, number: str) -> None:
        text = inbound(NumMedia=number, NumSegments=number)
        assert (text.num_media, text.num_segments, text.media) == (None, None, ())

    def test_missing_counts(self) -> None:
        text = classify(form({"SmsSid": "SM1", "From": ALICE, "To": OURS}))
        assert isinstance(text, InboundText)
        assert (text.num_media, text.num_segments) == (0, None)

    def test_media_of_an_rcs_message_are_ignored(self) -> None:
        text = inbound(To="rcs:agent", NumMedia="1", MediaUrl0="https://a")
        assert (text.num_media, text.media) == (0, ())

    def test_an_opt_out_that_twilio_recognised(self) -> None:
        assert inbound(OptOutType="STOP").opt_out_type == "STOP"

    @pytest.mark.parametrize("status", ["", "received", "receiving", "RECEIVED"])
    def test_the_statuses_of_an_inbound_text(self, status: str) -> None:
        assert inbound(SmsStatus=status).sid == "SM1"


class TestSid:
    @pytest.mark.parametrize(
        ("sids", "expected"),
        [
            ({"MessageSid": "A", "SmsSid": "B", "SmsMessageSid": "C"}, "A"),
            ({"SmsSid": "B", "SmsMessageSid": "C"}, "B"),
            ({"SmsMessageSid": "C"}, "C"),
            ({"MessageSid": "", "SmsSid": "  ", "SmsMessageSid": "C"}, "C"),
        ],
    )
    def test_the_first_that_is_filled(self, sids: dict[str, str], expected: str) -> None:
        for status in ("received", "sent"):
            assert classify(form(sids, SmsStatus=status)).sid == expected

    @pytest.mark.parametrize("sids", [{}, {"MessageSid": ""}, {"MessageSid": " ", "SmsSid": "\t"}])
    @pytest.mark.parametrize("status", ["received", "sent"])
    def test_none(self, sids: dict[str, str], status: str) -> None:
        with pytest.raises(MissingSid, match="no MessageSid"):
            classify(form(sids, SmsStatus=status, Body="secret"))


class TestStatusCallback:
    def test_a_report(self) -> None:
        assert report() == StatusCallback(
            sid="SM2",
            account_sid="AC1",
            status="undelivered",
            error_code=30003,
            done_date="2611231200",
            part="",
        )

    def test_the_legacy_status(self) -> None:
        assert report(MessageStatus="", SmsStatus="sent").status == "sent"

    def test_a_status_we_do_not_know_is_still_a_report(self) -> None:
        assert report(MessageStatus="teleported").status == "teleported"

    def test_words_in_the_form_do_not_make_it_a_text(self) -> None:
        assert report(Body="hello", From=OURS, To=ALICE).sid == "SM2"

    @pytest.mark.parametrize("code", ["", "0", "-1", "none", "\u0661", "1" * 10])
    def test_no_error_code(self, code: str) -> None:
        assert report(ErrorCode=code).error_code is None


class TestIdentity:
    NUMBER = Expected(account_sid="AC1", from_number=OURS, messaging_service_sid="MG1")
    SERVICE = Expected(account_sid="AC1", from_number="", messaging_service_sid="MG1")

    def test_ours(self) -> None:
        assert identity_mismatch(inbound(), self.NUMBER) is None
        assert identity_mismatch(inbound(), self.SERVICE) is None

    @pytest.mark.parametrize("sid", ["", "AC2", "ac1", " AC1", "AC1 "])
    def test_another_account(self, sid: str) -> None:
        assert identity_mismatch(inbound(AccountSid=sid), self.NUMBER) is Mismatch.ACCOUNT_SID

    def test_no_account_at_all_matches_nothing(self) -> None:
        nobody = Expected(account_sid="", from_number="", messaging_service_sid="")
        assert identity_mismatch(inbound(AccountSid=""), nobody) is Mismatch.ACCOUNT_SID
        no_service = Expected(account_sid="AC1", from_number="", messaging_service_sid="")
        text = inbound(MessagingServiceSid="")
        assert identity_mismatch(text, no_service) is Mismatch.MESSAGING_SERVICE_SID

    @pytest.mark.parametrize("to", ["15550002222", "+1 (555) 000-2222", "sms:+15550002222", " +15550002222 "])
    def test_our_number_in_other_spellings(self, to: str) -> None:
        assert identity_mismatch(inbound(To=to), self.NUMBER) is None

    @pytest.mark.parametrize(
        "to", ["", "+15550002223", "whatsapp:+15550002222", "+15550002222 ext 5", "call+15550002222now", "+"]
    )
    def test_another_number(self, to: str) -> None:
        assert identity_mismatch(inbound(To=to), self.NUMBER) is Mismatch.TO

    def test_the_number_decides_over_the_service(self) -> None:
        assert identity_mismatch(inbound(MessagingServiceSid="MG2"), self.NUMBER) is None
        assert identity_mismatch(inbound(To=ALICE), self.NUMBER) is Mismatch.TO

    @pytest.mark.parametrize("service", ["", "MG2", "mg1"])
    def test_another_service(self, service: str) -> None:
        text = inbound(MessagingServiceSid=service)
        assert identity_mismatch(text, self.SERVICE) is Mismatch.MESSAGING_SERVICE_SID

    @pytest.mark.parametrize("to", ["rcs:our_agent", "RCS:our_agent"])
    def test_rcs_is_compared_by_its_service_alone(self, to: str) -> None:
        number_only = Expected(account_sid="AC1", from_number=OURS, messaging_service_sid="")
        assert identity_mismatch(inbound(To=to, MessagingServiceSid=""), number_only) is None
        assert identity_mismatch(inbound(To=to), self.NUMBER) is None
        other = inbound(To=to, MessagingServiceSid="MG2")
        assert identity_mismatch(other, self.NUMBER) is Mismatch.MESSAGING_SERVICE_SID


def test_no_number_and_no_body_in_a_repr() -> None:
    text = inbound(NumMedia="1", MediaUrl0="https://media.example/secret")
    shown = repr((text, parse_form(urlencode(TEXT).encode()), TestIdentity.NUMBER))
    for private in (ALICE, OURS, "hello", "secret"):
        assert private not in shown


@pytest.mark.parametrize("sid", ["SM1\nforged line", "SM 1", "S" * 65, "SM\x00", "../SM1", "SM1é"])
def test_a_sid_that_could_not_be_one_counts_as_missing(sid: str) -> None:
    """It is a key of the inbox and stands in log lines."""
    with pytest.raises(MissingSid):
        classify(Form((("MessageSid", sid), ("From", "+15550001111"))))
