"""Every error of Twilio's says what became of the text, and what the operator does next."""

import pickle
import re
from datetime import timedelta

import pytest

from openclaw_sms.twilio import errors
from openclaw_sms.twilio.errors import FAULTS, ErrorClass, TwilioError, TwilioFault, fault_for

BY_CLASS = {
    ErrorClass.THROTTLED: {20429, 14107},
    ErrorClass.AMBIGUOUS: {20500},
    ErrorClass.BACK_PRESSURE: {21611, 30001, 30022, 63018, 30017},
    ErrorClass.DAILY_CAP: {30023, 30027, 63038},
    ErrorClass.MAYBE_TRANSIENT: {30003, 30008},
    ErrorClass.OPTED_OUT: {21610, 30004},
    ErrorClass.BAD_RECIPIENT: {21211, 21214, 21217, 21265, 21266, 21612, 21614, 30005, 30006, 30011},
    ErrorClass.OPERATOR_CONFIG: {
        *(20003, 20404, 21212, 21408, 21603, 21606, 21607, 21608, 14111, 21703, 21704, 21705, 21712),
        *(30002, 30018, 30024, 30032, 30034, 21659, 21660, 30044),
        *(11200, 11205, 11206, 11210, 11215, 11220, 11235, 11236, 11237, 12100, 12200, 57012),
    },
    ErrorClass.CONTENT: {
        *(21602, 21605, 21617, 21620, 21622, 21623, 21658),
        *(30007, 30019, 30450, 30610, 30640, 11751, 12300),
    },
}
NAMELESS = [value for value in vars(errors).values() if isinstance(value, TwilioFault)]
GENERIC = [fault_for(status, None) for status in (None, 200, 302, 400, 401, 403, 404, 408, 429, 500)]
ALL = [*FAULTS.values(), *NAMELESS, *GENERIC]


@pytest.mark.parametrize(("kind", "codes"), BY_CLASS.items(), ids=lambda value: getattr(value, "value", ""))
def test_codes_by_class(kind: ErrorClass, codes: set[int]) -> None:
    assert {code for code in codes if FAULTS[code].kind is not kind} == set()


def test_every_fault_is_found_under_its_own_code() -> None:
    assert all(fault.code == code for code, fault in FAULTS.items())
    assert len(NAMELESS) >= 6


@pytest.mark.parametrize("sentence", sorted({fault.sentence for fault in ALL}))
def test_sentences_are_one_sentence_without_numbers(sentence: str) -> None:
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert not re.search(r"[.!?]\s", sentence)
    assert "  " not in sentence
    assert not re.search(r"\d{6}", sentence)


@pytest.mark.parametrize("sentence", sorted({fault.sentence for fault in ALL}))
def test_sentences_name_a_next_step(sentence: str) -> None:
    assert ";" in sentence or "," in sentence


class TestWhatStopsAnAccount:
    @pytest.mark.parametrize("code", [20003, 20404, 21212, 21603, 21606, 21607, 21659, 21660, 21703, 21712, 30002])
    def test_what_every_text_would_meet(self, code: int) -> None:
        assert FAULTS[code].stops_account

    @pytest.mark.parametrize("code", [14111, 21408, 21608, 30018, 30024, 30044, 11200, 57012, 21610, 21617, 20429])
    def test_nothing_about_one_recipient_one_text_or_our_webhook(self, code: int) -> None:
        assert not FAULTS[code].stops_account

    @pytest.mark.parametrize("status", [302, 401, 403, 404])
    def test_a_refused_login_without_a_code(self, status: int) -> None:
        fault = fault_for(status, None)
        assert fault.stops_account
        assert fault.shows_in_a_question

    def test_only_the_recipients_own_stop_is_an_opt_out(self) -> None:
        assert {code for code, fault in FAULTS.items() if fault.is_opt_out} == {21610}


class TestSafetyOfPostingAgain:
    """The promise that nobody is texted twice rests on this."""

    def test_what_twilio_may_have_taken_is_never_posted_again_unasked(self) -> None:
        assert [kind for kind in ErrorClass if kind.uncertain] == [ErrorClass.AMBIGUOUS]
        assert not ErrorClass.AMBIGUOUS.retryable

    def test_what_certainly_was_not_delivered_and_may_be_later(self) -> None:
        assert {kind for kind in ErrorClass if kind.retryable} == {
            ErrorClass.THROTTLED,
            ErrorClass.BACK_PRESSURE,
            ErrorClass.DAILY_CAP,
            ErrorClass.MAYBE_TRANSIENT,
            ErrorClass.UNREACHABLE,
        }


class TestUnknownCodes:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (429, ErrorClass.THROTTLED),
            (500, ErrorClass.AMBIGUOUS),
            (502, ErrorClass.AMBIGUOUS),
            (599, ErrorClass.AMBIGUOUS),
            (408, ErrorClass.AMBIGUOUS),
            (200, ErrorClass.AMBIGUOUS),
            (301, ErrorClass.OPERATOR_CONFIG),
            (401, ErrorClass.OPERATOR_CONFIG),
            (403, ErrorClass.OPERATOR_CONFIG),
            (404, ErrorClass.OPERATOR_CONFIG),
            (400, ErrorClass.UNKNOWN),
            (422, ErrorClass.UNKNOWN),
            (None, ErrorClass.UNKNOWN),
        ],
    )
    def test_the_http_status_decides(self, status: int | None, kind: ErrorClass) -> None:
        assert fault_for(status, None).kind is kind
        assert fault_for(status, 99999) == TwilioFault(99999, kind, fault_for(status, None).sentence)

    @pytest.mark.parametrize("status", [None, 400, 429, 500])
    def test_a_known_code_decides_over_it(self, status: int | None) -> None:
        assert fault_for(status, 21610).kind is ErrorClass.OPTED_OUT


class TestTwilioError:
    def test_it_shows_the_sentence_and_the_code(self) -> None:
        error = TwilioError(fault_for(400, 21610), 400, timedelta(seconds=3))
        assert str(error) == f"{FAULTS[21610].sentence} (Twilio error 21610)"
        assert (error.kind, error.code, error.retryable, error.uncertain) == (
            ErrorClass.OPTED_OUT,
            21610,
            False,
            False,
        )
        assert (error.http_status, error.retry_after) == (400, timedelta(seconds=3))

    def test_without_a_code(self) -> None:
        error = TwilioError(errors.NO_ANSWER)
        assert str(error) == errors.NO_ANSWER.sentence
        assert error.code is None
        assert error.uncertain

    def test_it_survives_a_process_boundary(self) -> None:
        error = pickle.loads(pickle.dumps(TwilioError(fault_for(429, None), 429)))
        assert (error.kind, error.http_status) == (ErrorClass.THROTTLED, 429)
