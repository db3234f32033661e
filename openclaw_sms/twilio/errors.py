"""What Twilio's errors mean for a text: one table from error code to class and to the operator's sentence.

The class says whether Twilio may have accepted the text, which is all a sender has to know to retry safely.
The sentences are ours: Twilio's own messages quote phone numbers and are never repeated, shown or logged.
Source: https://www.twilio.com/docs/api/errors
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta


class ErrorClass(enum.Enum):
    """What to do about an error, by what it says about the text's fate."""

    THROTTLED = "throttled"  # never processed; post again after a pause
    AMBIGUOUS = "ambiguous"  # perhaps accepted; ask Twilio before anything else
    BACK_PRESSURE = "back_pressure"  # the sender's queue is full; pause that sender number
    DAILY_CAP = "daily_cap"  # a quota of the day is used up; post again after its reset
    MAYBE_TRANSIENT = "maybe_transient"  # the phone was out of reach; one or two tries, minutes apart
    OPTED_OUT = "opted_out"  # suppress the recipient, never try again
    BAD_RECIPIENT = "bad_recipient"
    OPERATOR_CONFIG = "operator_config"  # every text of the account would fail alike
    CONTENT = "content"
    UNREACHABLE = "unreachable"  # the request never got to Twilio
    UNKNOWN = "unknown"

    @property
    def retryable(self) -> bool:
        """True when the text was certainly not delivered and posting it again later may succeed."""
        return self in _RETRYABLE

    @property
    def uncertain(self) -> bool:
        """True when Twilio may have accepted the text although we hold no sid for it."""
        return self is ErrorClass.AMBIGUOUS


_RETRYABLE = frozenset(
    {
        ErrorClass.THROTTLED,
        ErrorClass.BACK_PRESSURE,
        ErrorClass.DAILY_CAP,
        ErrorClass.MAYBE_TRANSIENT,
        ErrorClass.UNREACHABLE,
    }
)


@dataclass(frozen=True, slots=True)
class TwilioFault:
    """One kind of failure. `code` is Twilio's error code, 0 when Twilio named none; `sentence` is for the
    operator.
    """

    code: int
    kind: ErrorClass
    sentence: str

    @property
    def stops_account(self) -> bool:
        """True when every text of the account would be refused alike."""
        return self.kind is ErrorClass.OPERATOR_CONFIG and self.code not in _NOT_EVERY_TEXT

    @property
    def shows_in_a_question(self) -> bool:
        """True when reading the account's messages fails for the same cause, so that no text is needed to see it."""
        return self.code in _ABOUT_THE_LOGIN

    @property
    def is_opt_out(self) -> bool:
        """True for the recipient's own STOP. 30004 may be their carrier's block: for a person to look at."""
        return self.code == RECIPIENT_OPTED_OUT


RECIPIENT_OPTED_OUT = 21610
# No code: the HTTP status said it (401, 403, 404, a redirect).
_ABOUT_THE_LOGIN = frozenset({0, 20003, 20404})
# The operator's to mend, but about one recipient's country or carrier, one text's length, or our webhook. If they
# stopped the account, a stranger from a country that is not enabled could stop it for everybody.
_NOT_EVERY_TEXT = frozenset(
    {
        *(14111, 21408, 21608, 30018, 30024, 30044),
        *(11200, 11205, 11206, 11210, 11215, 11220, 11235, 11236, 11237, 12100, 12200, 57012),
    }
)


class TwilioError(Exception):
    """A request to Twilio failed. `str()` is safe to show and to log.

    http_status: None when there was no answer. retry_after: what Twilio asked for, None when it did not.
    """

    def __init__(
        self, fault: TwilioFault, http_status: int | None = None, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(fault, http_status, retry_after)
        self.fault = fault
        self.http_status = http_status
        self.retry_after = retry_after

    @property
    def kind(self) -> ErrorClass:
        return self.fault.kind

    @property
    def code(self) -> int | None:
        """Twilio's error code, None when Twilio named none."""
        return self.fault.code or None

    @property
    def retryable(self) -> bool:
        return self.kind.retryable

    @property
    def uncertain(self) -> bool:
        return self.kind.uncertain

    def __str__(self) -> str:
        return f"{self.fault.sentence} (Twilio error {self.code})" if self.code else self.fault.sentence


_SENTENCES: Mapping[ErrorClass, Mapping[int, str]] = {
    ErrorClass.THROTTLED: {
        20429: "Twilio limits how many requests this account makes at once; the text is tried again by itself.",
        14107: "Twilio limits how fast this account sends; the text is tried again by itself.",
    },
    ErrorClass.AMBIGUOUS: {
        20500: "Twilio had an internal error and may or may not have taken the text; it is looked up before "
        "anything is sent again.",
        20503: "Twilio was unavailable and may or may not have taken the text; it is looked up before "
        "anything is sent again.",
    },
    ErrorClass.BACK_PRESSURE: {
        21611: "The sending number's queue at Twilio is full; sending from it pauses and goes on by itself.",
        30001: "The Messaging Service's queue at Twilio overflowed; sending pauses and goes on by itself.",
        30017: "The recipient's carrier is congested; the text is tried again later by itself.",
        30022: "The carriers' rate limit for this campaign is reached; sending pauses and goes on by itself.",
        63018: "The channel's rate limit is reached; sending pauses and goes on by itself.",
    },
    ErrorClass.DAILY_CAP: {
        30023: "The carriers' daily limit for this brand is reached; sending goes on after its reset.",
        30027: "T-Mobile's daily limit for this campaign is reached; sending goes on after its reset.",
        63038: "Twilio's daily limit for this account is reached; sending goes on after its reset, or ask "
        "Twilio to raise it.",
    },
    ErrorClass.MAYBE_TRANSIENT: {
        30003: "The recipient's phone was off or out of reach; send the text again later.",
        30008: "The carrier did not say why the text was not delivered; send it again later if it matters.",
    },
    ErrorClass.OPTED_OUT: {
        21610: "The recipient has opted out with STOP; nothing is sent until they text START.",
        30004: "The recipient or their carrier blocks texts from this number; ask them another way.",
    },
    ErrorClass.BAD_RECIPIENT: {
        21211: "The recipient is not a valid phone number; check the number.",
        21214: "The recipient's number cannot be reached; check the number.",
        21217: "The recipient's number does not look like a phone number; check the number.",
        21265: "The recipient is a short code, which cannot receive texts; use a phone number.",
        21266: "The recipient is the sending number itself; choose another recipient.",
        21612: "Twilio has no route from this sending number to the recipient; check the number and its country.",
        21614: "The recipient's number cannot receive texts; use a mobile number.",
        30005: "The recipient's number is unknown or no longer in service; check the number.",
        30006: "The recipient's number is a landline or on a carrier Twilio cannot reach; use a mobile number.",
        30011: "The recipient's carrier does not take MMS; send the text without media.",
    },
    ErrorClass.OPERATOR_CONFIG: {
        11200: "Twilio got no usable answer from the webhook; check that the public URL leads to this gateway.",
        11205: "Twilio could not connect to the webhook; check that the public URL is reachable from the internet.",
        11206: "Twilio could not understand the webhook's answer; check the proxy in front of this gateway.",
        11210: "Twilio could not find the webhook's host name; check the public URL.",
        11215: "Twilio was redirected too often at the webhook; give Twilio the final URL.",
        11220: "Twilio could not make a TLS connection to the webhook; check the proxy's TLS settings.",
        11235: "The webhook's certificate is for another host; install one for the public URL's host.",
        11236: "The webhook's certificate has expired; renew it.",
        11237: "The webhook's certificate chain is incomplete; install the intermediate certificates.",
        12100: "Twilio could not parse the webhook's answer; check that the public URL leads here.",
        12200: "Twilio did not expect the webhook's answer; check that the public URL leads to this gateway.",
        14111: "A trial account can only text verified numbers; verify the recipient or upgrade the account.",
        20003: "Twilio refused the credentials; check the Account SID and the auth token or API key.",
        20404: "Twilio does not know this account or message; check the Account SID and the API base URL.",
        21212: "The sending number is not a valid phone number; correct the account's number.",
        21408: "The account may not text the recipient's country; enable it under Geo Permissions.",
        21603: "No sending number was given; set the account's number or its Messaging Service.",
        21606: "The sending number is not one of this account's numbers that can text; correct the account's number.",
        21607: "The sending number is not valid for this account; correct the account's number.",
        21608: "A trial account can only text verified numbers; verify the recipient or upgrade the account.",
        21609: "Twilio refused the status callback's URL; correct the public webhook URL.",
        21659: "The sending number is not a Twilio number, or a short code of another country; correct the "
        "account's number.",
        21660: "The sending number belongs to another Twilio account; correct the number or the Account SID.",
        21703: "The Messaging Service has no number that can send this text; add one to its sender pool.",
        21704: "The Messaging Service has no numbers; add one to its sender pool.",
        21705: "The Messaging Service SID is not valid; correct it in the account's settings.",
        21712: "The sending number belongs to another Messaging Service; move it or correct the service's SID.",
        30002: "Twilio has suspended the account; see the messages in Twilio's console.",
        30018: "The recipient's carrier wants the sender registered first; register it in Twilio's console.",
        30024: "The sending number is not set up at the recipient's carrier; ask Twilio's support.",
        30032: "The toll-free number is not verified; complete its verification in Twilio's console.",
        30034: "The sending number is not registered for A2P texting; add it to an approved campaign in "
        "Twilio's console.",
        30035: "The sending number's registration is still in progress; wait until Twilio's console shows it "
        "as registered.",
        30044: "A trial account may not send a text this long; shorten it or upgrade the account.",
        57012: "A webhook's signature did not match; compare the public URL and the auth token with Twilio's "
        "console.",
    },
    ErrorClass.CONTENT: {
        11751: "A picture was too large for the carrier; ask for a smaller one.",
        12300: "A file's type was not accepted; send it as an ordinary picture.",
        21602: "The text was empty; send some words.",
        21605: "The text was too long for Twilio's old endpoint; shorten it.",
        21617: "The text was longer than Twilio allows; shorten it.",
        21619: "The text had neither words nor media; send one of them.",
        21620: "Twilio could not use a media URL; check that it is public and answers without a login.",
        21622: "Twilio did not accept the text's media; send it without.",
        21623: "The text had more media than Twilio allows; send fewer.",
        21658: "The text was longer than Twilio allows; shorten it.",
        30007: "A carrier filtered the text as unwanted; reword it, and leave out shortened links.",
        30009: "A segment of the text was lost on its way; ask the sender to send it again.",
        30019: "The text's content was too large for the carrier; shorten it or shrink the media.",
        30450: "Twilio suspects SMS pumping and blocked the text; review the recipient and SMS Pumping Protection.",
        30610: "Twilio's Compliance Toolkit held the text back for quiet hours; send it during the recipient's day.",
        30640: "Twilio's Compliance Toolkit blocked the recipient as a known litigator; do not text them.",
    },
}


def _table() -> Iterator[tuple[int, TwilioFault]]:
    for kind, sentences in _SENTENCES.items():
        for code, sentence in sentences.items():
            yield code, TwilioFault(code, kind, sentence)


FAULTS: Mapping[int, TwilioFault] = dict(_table())
"""Every Twilio error code this gateway knows. The code decides over the HTTP status it came with."""

NOT_CONNECTED = TwilioFault(
    0,
    ErrorClass.UNREACHABLE,
    "Twilio could not be reached; check this machine's network and Twilio's status page.",
)
NOT_TRUSTED = TwilioFault(
    0,
    ErrorClass.UNREACHABLE,
    "Twilio's certificate could not be verified; check this machine's clock, its certificates and any proxy.",
)
NO_ANSWER = TwilioFault(
    0,
    ErrorClass.AMBIGUOUS,
    "Twilio did not answer in time and may or may not have taken the text; it is looked up before anything "
    "is sent again.",
)
UNREADABLE_ANSWER = TwilioFault(
    0,
    ErrorClass.AMBIGUOUS,
    "Twilio's answer could not be read, so the text may or may not have been taken; it is looked up before "
    "anything is sent again.",
)
QUESTION_UNANSWERED = TwilioFault(
    0,
    ErrorClass.UNREACHABLE,
    "Twilio did not answer a question about earlier texts; it is asked again later.",
)
NOT_ENCODABLE = TwilioFault(
    0, ErrorClass.CONTENT, "The text holds characters that cannot be encoded and was not sent; remove them."
)

_CREDENTIALS = "Twilio refused the credentials; check the Account SID and the auth token or API key."
_BY_STATUS: Mapping[int, tuple[ErrorClass, str]] = {
    401: (ErrorClass.OPERATOR_CONFIG, _CREDENTIALS),
    403: (
        ErrorClass.OPERATOR_CONFIG,
        "Twilio does not let this account do that; check its permissions and status.",
    ),
    404: (
        ErrorClass.OPERATOR_CONFIG,
        "Twilio does not know this account or message; check the Account SID and the API base URL.",
    ),
    # The server gave up waiting for a request it may have read in full.
    408: (ErrorClass.AMBIGUOUS, NO_ANSWER.sentence),
    429: (ErrorClass.THROTTLED, _SENTENCES[ErrorClass.THROTTLED][20429]),
}


def fault_for(http_status: int | None, code: int | None) -> TwilioFault:
    """The fault for an answer of Twilio's, or for the `code` of a status callback (then `http_status` is
    None).

    A code this gateway does not know is classified by its HTTP status: 429 was never processed, 5xx may have
    been, a redirect, 401, 403 and 404 are the configuration's, anything else is not tried again.
    """
    if code is not None and code in FAULTS:
        return FAULTS[code]
    kind, sentence = _by_status(http_status)
    return TwilioFault(code or 0, kind, sentence)


def _by_status(status: int | None) -> tuple[ErrorClass, str]:
    if status is None:
        return (
            ErrorClass.UNKNOWN,
            "The text was not delivered for a reason this gateway does not know; see Twilio's log.",
        )
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return ErrorClass.AMBIGUOUS, _SENTENCES[ErrorClass.AMBIGUOUS][20500]
    if status >= 400:
        return ErrorClass.UNKNOWN, "Twilio refused the text; look up the error in Twilio's documentation."
    if status >= 300:
        return (
            ErrorClass.OPERATOR_CONFIG,
            "The Twilio API answered with a redirect; correct TWILIO_API_BASE_URL.",
        )
    return UNREADABLE_ANSWER.kind, UNREADABLE_ANSWER.sentence
