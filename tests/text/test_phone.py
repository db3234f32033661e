"""Numbers: one form for each, and no text to a number nobody wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_sms.text.phone import (
    InvalidNumber,
    Sender,
    SenderKind,
    is_whatsapp,
    mask,
    normalise_number,
    parse_sender,
    parse_target,
)

ALICE = "+15550001111"

REFUSED = [
    ("call15551112222now", "not_a_number"),
    ("+1 555 111 2222 ext 5", "extension"),
    ("+1 555 111 2222 ext. 5", "extension"),
    ("+1 555 111 2222 Extension 5", "extension"),
    ("+15551112222x5", "extension"),
    ("+15551112222;ext=5", "extension"),
    ("+15551112222#5", "extension"),
    ("+15551112222,5", "extension"),
    ("+1555111+2222", "not_a_number"),
    ("++15551112222", "not_a_number"),
    ("+15551112222 +15551113333", "not_a_number"),
    ("+15551112222\n5", "not_a_number"),
    ("+15551112222/3", "not_a_number"),
    ("+49 30 123456 (7)", "not_a_number"),
    ("+1-800-FLOWERS", "not_a_number"),
    ("+1 555 111 222²", "not_a_number"),
    ("whatsapp:sms:+15551112222", "not_a_number"),
    ("signal:+15551112222", "not_a_number"),
    ("tel:+15551112222", "not_a_number"),
    ("sms:sms:+15551112222", "not_a_number"),
    ("", "not_a_number"),
    ("   ", "not_a_number"),
    ("+", "not_a_number"),
    ("sms:", "not_a_number"),
    ("1" * 100, "not_a_number"),
    ("15551112222", "no_country_code"),
    ("(555) 111-2222", "no_country_code"),
    ("12345", "no_country_code"),
    ("+999123456789", "impossible"),
    ("+15551112", "impossible"),
    ("+155511122223", "impossible"),
    ("+0015551112222", "impossible"),
]

typed = st.text(alphabet="+0123456789 ()-.x#", max_size=24) | st.text(max_size=40)


class TestNormaliseNumber:
    @pytest.mark.parametrize(
        "raw",
        [
            ALICE,
            f"  {ALICE}\n",
            "+1 (555) 000-1111",
            "+1.555.000.1111",
            "+1\u00a0555\u2011000\u20111111",
            "\u202a+15550001111\u202c",
            "＋１５５５０００１１１１",
            f"sms:{ALICE}",
            f"SMS: {ALICE}",
            f"Twilio-SMS:{ALICE}",
        ],
    )
    def test_a_number_however_written_has_one_form(self, raw: str) -> None:
        assert normalise_number(raw) == ALICE

    def test_a_trunk_zero_in_parentheses_is_not_dialled(self) -> None:
        assert normalise_number("+44 (0)20 7946 0958") == "+442079460958"

    def test_a_possible_number_need_not_be_in_service(self) -> None:
        assert normalise_number("+447700900123") == "+447700900123"

    def test_a_region_reads_national_numbers(self) -> None:
        assert normalise_number("(555) 000-1111", region="us") == ALICE
        assert normalise_number("020 7946 0958", region="GB") == "+442079460958"

    def test_an_unknown_region_is_no_country(self) -> None:
        with pytest.raises(InvalidNumber) as refused:
            normalise_number("5550001111", region="XX")
        assert refused.value.code == "no_country_code"

    @pytest.mark.parametrize(("raw", "code"), REFUSED)
    def test_what_would_have_to_be_guessed_or_dropped_is_refused(self, raw: str, code: str) -> None:
        with pytest.raises(InvalidNumber) as refused:
            normalise_number(raw)
        assert refused.value.code == code

    @pytest.mark.parametrize(("raw", "_code"), REFUSED)
    def test_the_refusal_is_a_sentence_without_any_digit(self, raw: str, _code: str) -> None:
        for reader in (normalise_number, parse_target):
            with pytest.raises(InvalidNumber) as refused:
                reader(raw)
            sentence = str(refused.value)
            assert sentence.endswith(".")
            assert not any(char.isdigit() for char in sentence)

    @given(typed)
    def test_reading_a_result_again_changes_nothing(self, raw: str) -> None:
        try:
            once = normalise_number(raw)
        except InvalidNumber:
            return
        assert normalise_number(once) == once

    @given(
        st.sampled_from(["1", "44", "49", "52", "54", "55", "86", "598"]),
        st.text("0123456789", min_size=4, max_size=13),
    )
    def test_no_number_has_two_forms(self, country: str, rest: str) -> None:
        try:
            once = normalise_number(f"+{country}{rest}")
        except InvalidNumber:
            return
        assert normalise_number(once) == once
        assert len(once) <= 16


class TestParseTarget:
    @pytest.mark.parametrize("target", [ALICE, f"sms:{ALICE}", f"twilio-sms:{ALICE}"])
    def test_the_forms_of_the_command_line(self, target: str) -> None:
        assert parse_target(target) == ALICE

    def test_whatsapp_keeps_its_prefix(self) -> None:
        assert parse_target(f"whatsapp:{ALICE}") == f"whatsapp:{ALICE}"

    @pytest.mark.parametrize("target", ["call15551112222now", "+1 555 111 2222 ext 5", "5550001111"])
    def test_a_refusal_names_the_accepted_forms(self, target: str) -> None:
        with pytest.raises(InvalidNumber, match=r"--target.*sms:\+.*twilio-sms:\+"):
            parse_target(target)


class TestParseSender:
    @pytest.mark.parametrize("raw", [ALICE, f"rcs:{ALICE}", f"RCS:{ALICE}", f" {ALICE} ", "+1 555 000 1111"])
    def test_a_person_is_the_same_by_text_and_by_rcs(self, raw: str) -> None:
        assert parse_sender(raw) == Sender(ALICE, SenderKind.NUMBER)

    @pytest.mark.parametrize("raw", [f"whatsapp:{ALICE}", f"WhatsApp: {ALICE}", f" whatsapp:{ALICE}"])
    def test_on_whatsapp_a_person_has_an_address_of_their_own_and_the_same_number(self, raw: str) -> None:
        sender = parse_sender(raw)
        assert sender == Sender(f"whatsapp:{ALICE}", SenderKind.WHATSAPP)
        assert (sender.number, sender.is_person, is_whatsapp(sender.address)) == (ALICE, True, True)

    @pytest.mark.parametrize("raw", ["123", "12345", "12345678"])
    def test_short_codes(self, raw: str) -> None:
        assert parse_sender(raw) == Sender(raw, SenderKind.SHORT_CODE)

    @pytest.mark.parametrize("raw", ["TWILIO", "My Bank 24", "A1", "AT&T", "Elevenchars"])
    def test_alphanumeric_senders(self, raw: str) -> None:
        assert parse_sender(raw) == Sender(raw, SenderKind.ALPHANUMERIC)

    @pytest.mark.parametrize(
        "raw",
        [
            f"whatsapp:sms:{ALICE}",
            "whatsapp:CC.1234567",
            "messenger:1234",
            "rcs:brand_agent",
            "rcs:12345",
            "",
            "12",
            "123456789",
            "Twelve chars",
            "+",
            "٣٤٥٦",
        ],
    )
    def test_anything_else_is_unusable(self, raw: str) -> None:
        assert parse_sender(raw).kind is SenderKind.UNUSABLE

    @given(st.text())
    def test_whatever_arrives_is_a_sender_that_can_be_stored(self, raw: str) -> None:
        sender = parse_sender(raw)
        assert len(sender.address) <= 64
        assert sender.address.isprintable()

    def test_a_sender_does_not_show_its_number(self) -> None:
        assert "555" not in repr(parse_sender(ALICE))


class TestMask:
    @pytest.mark.parametrize(
        ("address", "shown"),
        [
            ("+15551234567", "+1555***4567"),
            ("+12345678", "+12***78"),
            ("12345", "12***"),
            ("TWILIO", "TW***"),
            ("123", "***"),
            ("", "***"),
            ("\x1b[31mred", "***"),
            ("whatsapp:+15551234567", "whatsapp:+1555***4567"),
            ("messenger:1234", "me***"),
            ("+15551234567 +15551234568", "+1***"),
        ],
    )
    def test_what_a_log_may_show(self, address: str, shown: str) -> None:
        assert mask(address) == shown

    @given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
    def test_at_least_three_digits_of_a_number_stay_hidden(self, number: str) -> None:
        head, tail = mask(number).split("***")
        assert number.startswith(head)
        assert number.endswith(tail)
        assert len(head) <= 5
        assert len(tail) <= 4
        assert len(number) - len(head) - len(tail) >= 3

    @given(st.text() | st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
    def test_a_mask_is_never_the_address_and_may_be_masked_again(self, address: str) -> None:
        shown = mask(address)
        assert len(shown) <= 12
        assert "***" in shown
        assert mask(shown) == shown
