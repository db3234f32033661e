"""Twilio's webhook forms as values: an inbound text, or a report about a text we sent.

Reading is permissive and keeps everything as it came: a form has been signed by Twilio before it gets here,
and what is acceptable is decided later, where a refusal can be shown to the operator. Phone numbers and
bodies stay out of reprs.
Source: https://www.twilio.com/docs/messaging/guides/webhook-request
"""

import enum
import re
from dataclasses import dataclass, field

from openclaw_sms.twilio.urlencoded import fields_of, is_valid_utf8, text_of

MAX_BODY_BYTES = 32_768
MAX_MEDIA = 10  # as many as Twilio delivers with one text

_INBOUND_STATUSES = frozenset({"", "receiving", "received"})
_COUNT = re.compile(r"[0-9]{1,4}")
# Twilio's are SM or MM and 32 hexadecimal digits. A sid is a key and stands in log lines: nothing else may be in it.
SID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ERROR_CODE = re.compile(r"[0-9]{1,9}")
_RCS = "rcs:"
_WHATSAPP = "whatsapp:"
_PHONE_NUMBER = re.compile(r"(?:(?:twilio-)?sms:)?\s*(\+?[0-9 ().-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    """A form's fields in the order received, duplicates included, nothing trimmed."""

    fields: tuple[tuple[str, str], ...] = field(repr=False)

    def first(self, name: str) -> str:
        """The first value of `name`, "" when the form has none."""
        return next((value for key, value in self.fields if key == name), "")


@dataclass(frozen=True, slots=True)
class Media:
    url: str = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True)
class InboundText:
    """A text someone sent us. `sender` and `recipient` are Twilio's From and To, not normalised.

    num_media and num_segments are None when the form does not give a whole number for them (no NumMedia at
    all is 0).
    """

    sid: str
    account_sid: str
    messaging_service_sid: str
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    body: str = field(repr=False)
    num_media: int | None
    media: tuple[Media, ...]
    opt_out_type: str
    num_segments: int | None


@dataclass(frozen=True, slots=True)
class StatusCallback:
    """What became of a text we sent. `part` is for the caller to fill from the callback's own URL."""

    sid: str
    account_sid: str
    status: str
    error_code: int | None
    done_date: str
    part: str = ""


class MissingSid(ValueError):
    """The form names no message, so it can be neither stored once nor reported on."""

    def __init__(self) -> None:
        super().__init__("The form has no MessageSid.")


@dataclass(frozen=True, slots=True)
class Expected:
    """The account a webhook path belongs to. from_number: E.164 or "", in which case the service counts."""

    account_sid: str
    from_number: str = field(repr=False)
    messaging_service_sid: str


class Mismatch(enum.Enum):
    """Which of the form's identities is not the expected account's."""

    ACCOUNT_SID = "AccountSid"
    TO = "To"
    MESSAGING_SERVICE_SID = "MessagingServiceSid"


def parse_form(body: bytes) -> Form:
    """`body` as text: UTF-8, or latin-1 throughout when any of it is not valid UTF-8. Never raises."""
    fields = fields_of(body)
    valid = is_valid_utf8(fields)
    return Form(tuple((text_of(name, valid_utf8=valid), text_of(value, valid_utf8=valid)) for name, value in fields))


def classify(form: Form) -> InboundText | StatusCallback:
    """What the form is about. A status other than receiving or received means a report. Raises MissingSid."""
    sid = _first_filled(form, "MessageSid", "SmsSid", "SmsMessageSid")
    if not SID.fullmatch(sid):
        raise MissingSid
    status = _first_filled(form, "MessageStatus", "SmsStatus")
    if status.lower() in _INBOUND_STATUSES:
        return _inbound_text(form, sid)
    return StatusCallback(
        sid=sid,
        account_sid=form.first("AccountSid"),
        status=status,
        error_code=_error_code(form.first("ErrorCode")),
        done_date=form.first("RawDlrDoneDate"),
    )


def identity_mismatch(text: InboundText, expected: Expected) -> Mismatch | None:
    """The first identity that does not fit, or None.

    The AccountSid must be exactly the account's. A configured number must then be the recipient, whatever
    service the text came through; without one the service must match. An RCS recipient is an agent's name,
    not a number: there only a configured service is compared. What comes from WhatsApp is for a WhatsApp address
    of the same number.
    """
    if not text.account_sid or text.account_sid != expected.account_sid:
        return Mismatch.ACCOUNT_SID
    if _is_rcs(text.recipient):
        return None if text.messaging_service_sid == expected.messaging_service_sid else _service_of(expected)
    if expected.from_number:
        return None if _recipient_number(text) == expected.from_number else Mismatch.TO
    if not text.messaging_service_sid or text.messaging_service_sid != expected.messaging_service_sid:
        return Mismatch.MESSAGING_SERVICE_SID
    return None


def _recipient_number(text: InboundText) -> str:
    """The recipient's number. To somebody who writes on WhatsApp, our number is a WhatsApp address too."""
    recipient = text.recipient.strip()
    if text.sender.strip().lower().startswith(_WHATSAPP) and recipient.lower().startswith(_WHATSAPP):
        recipient = recipient[len(_WHATSAPP) :]
    return _number_in(recipient)


def _service_of(expected: Expected) -> Mismatch | None:
    return Mismatch.MESSAGING_SERVICE_SID if expected.messaging_service_sid else None


def _inbound_text(form: Form, sid: str) -> InboundText:
    recipient = form.first("To")
    # Media of RCS messages are no media resources of the account and cannot be fetched as such.
    num_media = 0 if _is_rcs(recipient) else _count(form.first("NumMedia") or "0")
    return InboundText(
        sid=sid,
        account_sid=form.first("AccountSid"),
        messaging_service_sid=form.first("MessagingServiceSid"),
        sender=form.first("From"),
        recipient=recipient,
        body=form.first("Body"),
        num_media=num_media,
        media=_media(form, num_media or 0),
        opt_out_type=form.first("OptOutType"),
        num_segments=_count(form.first("NumSegments")),
    )


def _media(form: Form, count: int) -> tuple[Media, ...]:
    found = (
        Media(form.first(f"MediaUrl{number}"), form.first(f"MediaContentType{number}"))
        for number in range(min(count, MAX_MEDIA))
    )
    return tuple(media for media in found if media.url)


def _first_filled(form: Form, *names: str) -> str:
    return next((value for name in names if (value := form.first(name)).strip()), "")


def _count(digits: str) -> int | None:
    return int(digits) if _COUNT.fullmatch(digits) else None


def _error_code(digits: str) -> int | None:
    return (int(digits) or None) if _ERROR_CODE.fullmatch(digits) else None


def _is_rcs(address: str) -> bool:
    return address.lower().startswith(_RCS)


def _number_in(address: str) -> str:
    """The digits of `address` with a +, or "" for the address of another channel.

    Read without a number plan: this is compared with our own number, never dialled.
    """
    found = _PHONE_NUMBER.fullmatch(address.strip())
    digits = re.sub(r"[^0-9]", "", found[1]) if found else ""
    return f"+{digits}" if digits else ""
