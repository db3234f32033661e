"""Whom a text is from and whom it is for.

Every number is kept, compared and dialled in one form, E.164 ("+15551234567"). Getting there is strict on
purpose: a text to a number nobody wrote is a text to a stranger. Whatever would have to be thrown away to
make a number (a word, an extension, a second number) is refused, and no country is guessed.

Whether a number is in service is not decided here. "Possible" by its country's lengths is enough, since lists
of valid ranges refuse real numbers for months after they are handed out.

No error, `repr` or mask made here shows a whole number.
"""

import enum
import re
import unicodedata
from dataclasses import dataclass, field

import phonenumbers

_LONGEST_ADDRESS = 64


class InvalidNumber(ValueError):
    """A number that will not be texted. `str()` is one sentence with the fix and repeats none of the input.

    `code` is stable: "not_a_number", "no_country_code", "extension" or "impossible".
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class SenderKind(enum.Enum):
    """What a sender's address is. Twilio cannot text short codes and names (21265): those are never answered."""

    NUMBER = "number"
    WHATSAPP = "whatsapp"
    SHORT_CODE = "short_code"
    ALPHANUMERIC = "alphanumeric"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a text: E.164 for a NUMBER, `whatsapp:` and E.164 for WHATSAPP.

    Otherwise what arrived, trimmed, at most 64 printable characters.
    """

    address: str = field(repr=False)
    kind: SenderKind

    @property
    def number(self) -> str:
        """The person's number in E.164: what allowlists and pairing go by. "" for what is no number."""
        return number_of(self.address) if self.is_person else ""

    @property
    def is_person(self) -> bool:
        """Whether a text could be sent to this address at all."""
        return self.kind in (SenderKind.NUMBER, SenderKind.WHATSAPP)


_FAULTS = {
    "not_a_number": "is not a phone number",
    "no_country_code": "has no country code",
    "extension": "ends in an extension, which a text cannot reach",
    "impossible": "has a country code or a length that no phone number has",
}
_NUMBER_FORM = "write + and the country code, then the rest of the number and nothing else"
_TARGET_FORMS = (
    "it takes sms:+NUMBER, twilio-sms:+NUMBER, whatsapp:+NUMBER or +NUMBER, "
    "with the country code and nothing after it"
)

_SMS_PREFIX = re.compile(r"^(?:twilio-)?sms:\s*", re.IGNORECASE)
_RCS_PREFIX = re.compile(r"^rcs:", re.IGNORECASE)
_WHATSAPP = "whatsapp:"
_SEPARATOR = r"[\-.\u2010-\u2015\u2212 \t\u00a0\u202f]"
# At most one group in parentheses, and never the last: the "(7)" of "+49 30 1234 (7)" is a second line, and
# keeping its digit would make a third.
_WRITTEN_NUMBER = re.compile(
    rf"\+?(?:\d|{_SEPARATOR})*(?:\((?:\d|{_SEPARATOR})*\)(?:\d|{_SEPARATOR})*)?\d{_SEPARATOR}*"
)
_WITH_EXTENSION = re.compile(
    r"[+(\d][^a-z]*\d[\s)]*(?:;?\s*(?:ext(?:ension|n)?|x)[.:=\s]*|[#;,]+\s*)\d+#?", re.IGNORECASE
)
_E164 = re.compile(r"\+[1-9]\d{6,14}")

_SHORT_CODE = re.compile(r"\d{3,8}", re.ASCII)
# Twilio's rule for alphanumeric sender ids: up to 11 of these characters, at least one of them a letter.
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +\-_&]{1,11}")

_MASKED = re.compile(r"\+\d{2,4}\*{3}\d{2,4}")


def normalise_number(raw: str, *, region: str | None = None) -> str:
    """`raw` as E.164, whatever separators and `sms:` or `twilio-sms:` prefix it is written with.

    A number without + is read as dialled inside `region` (ISO 3166 alpha-2), and refused without one.
    Raises InvalidNumber.
    """
    number = _SMS_PREFIX.sub("", _visible(raw), count=1)
    fault = _fault(number, region)
    if fault is None:
        e164 = _possible_e164(number, region)
        if e164:
            return e164
        fault = "impossible"
    raise InvalidNumber(fault, f"The number {_FAULTS[fault]}; {_NUMBER_FORM}.")


def parse_target(raw: str, *, region: str | None = None) -> str:
    """The address a `--target` names: E.164, behind `whatsapp:` if so written.

    Raises InvalidNumber in the words of that option.
    """
    prefix, rest = _split_whatsapp(raw)
    try:
        return prefix + normalise_number(rest, region=region)
    except InvalidNumber as refused:
        sentence = f"The --target {_FAULTS[refused.code]}; {_TARGET_FORMS}."
        raise InvalidNumber(refused.code, sentence) from None


def parse_sender(raw: str) -> Sender:
    """Twilio's `From` as it arrives; never raises. An RCS address is the same person as its number.

    A WhatsApp address keeps its prefix: it is reached through WhatsApp, in a conversation of its own.
    """
    address = "".join(char for char in raw if char.isprintable()).strip()[:_LONGEST_ADDRESS]
    if _SHORT_CODE.fullmatch(address):
        return Sender(address, SenderKind.SHORT_CODE)
    prefix, rest = _split_whatsapp(raw)
    try:
        if prefix:
            return Sender(prefix + normalise_number(rest), SenderKind.WHATSAPP)
        return Sender(normalise_number(_RCS_PREFIX.sub("", raw.strip(), count=1)), SenderKind.NUMBER)
    except InvalidNumber:
        named = _ALPHANUMERIC.fullmatch(address)
        return Sender(address, SenderKind.ALPHANUMERIC if named else SenderKind.UNUSABLE)


def number_of(address: str) -> str:
    """The number in an address as conversations keep it: WhatsApp's prefix taken away."""
    return address.removeprefix(_WHATSAPP)


def is_whatsapp(address: str) -> bool:
    """Whether an address, as conversations keep it, is reached through WhatsApp."""
    return address.startswith(_WHATSAPP)


def whatsapp(number: str) -> str:
    """Twilio's WhatsApp address of an E.164 number."""
    return _WHATSAPP + number


def addresses_of(address: str) -> tuple[str, ...]:
    """Every address as conversations keep it of the person that `address` is one of."""
    number = number_of(address)
    return number, whatsapp(number)


def mask(address: str) -> str:
    """`address` as logs may show it: "+1555***4567". Anything but a number keeps two characters at most."""
    address = address.strip()
    if is_whatsapp(address):
        return _WHATSAPP + mask(number_of(address))
    if _MASKED.fullmatch(address):
        return address
    if _E164.fullmatch(address):
        head, tail = (5, 4) if len(address) >= 12 else (3, 2)
        return f"{address[:head]}***{address[-tail:]}"
    head = 2 if len(address) >= 5 and address[:2].isascii() and address[:2].isprintable() else 0
    return f"{address[:head]}***"


def _split_whatsapp(raw: str) -> tuple[str, str]:
    """WhatsApp's prefix in one spelling, or "", and what follows it."""
    written = _visible(raw)
    if written[: len(_WHATSAPP)].lower() != _WHATSAPP:
        return "", raw
    number = written[len(_WHATSAPP) :]
    # One prefix, not two: whatsapp:sms:+1… is nobody's address.
    return (_WHATSAPP, number) if not _SMS_PREFIX.match(number) else ("", raw)


def _visible(raw: str) -> str:
    """`raw` without the invisible direction marks that come along when a number is copied from a phone."""
    return "".join(char for char in raw if unicodedata.category(char) != "Cf").strip().replace("＋", "+")


def _fault(number: str, region: str | None) -> str | None:
    """The code of what is wrong with the way `number` is written, or None."""
    if len(number) > _LONGEST_ADDRESS:
        return "not_a_number"
    if not _WRITTEN_NUMBER.fullmatch(number):
        return "extension" if _WITH_EXTENSION.fullmatch(number) else "not_a_number"
    if not number.startswith("+") and (region or "").upper() not in phonenumbers.SUPPORTED_REGIONS:
        return "no_country_code"
    return None


def _possible_e164(number: str, region: str | None) -> str:
    """`number` as E.164, or "" where none of that length exists.

    A number that reads differently the second time had digits dropped from it (a doubled trunk prefix).
    """
    e164 = _parsed_e164(number, region)
    return e164 if e164 == _parsed_e164(e164, None) else ""


def _parsed_e164(number: str, region: str | None) -> str:
    try:
        parsed = phonenumbers.parse(number, region and region.upper())
    except phonenumbers.NumberParseException:
        return ""
    # Not is_possible_number(), which also accepts a number that only rings inside its own area.
    if phonenumbers.is_possible_number_with_reason(parsed) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return ""
    e164 = str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
    return e164 if _E164.fullmatch(e164) and not parsed.extension else ""


def country_of(number: str) -> str:
    """The ISO 3166 code ("US", "AT") of the country an E.164 number belongs to; "" where it cannot be told.

    Numbers in a country's plan that are not handed out are still that country's. Of the countries that share +1 the
    first is the United States: a +1 number that is nobody's in particular counts as theirs.
    """
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    found = phonenumbers.region_code_for_number(parsed)
    if not found:
        found = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return str(found) if found in phonenumbers.SUPPORTED_REGIONS else ""
