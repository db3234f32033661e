"""The kinds of values a configuration holds. Each takes what was written and gives what is stored.

Each raises `Unfit`, whose text finishes the sentence that begins with the key's path and never repeats a value.
"""

import math
import re
from collections.abc import Callable, Collection
from typing import Any

import phonenumbers
from django.conf import settings

from openclaw_sms.config import paths
from openclaw_sms.config.secrets import reference
from openclaw_sms.config.sources import ConfigurationError, is_sid, is_web_address
from openclaw_sms.models import ANYONE
from openclaw_sms.text.phone import InvalidNumber, normalise_number

Kind = Callable[[Any], Any]

# What `config get` prints for a secret. Written back, it would become the secret.
MASK = "***"
REF_FIELDS = ("source", "provider", "id")
LONGEST_NUMBER = 15  # digits, by E.164
SHORTEST_BARE_NUMBER = 11  # digits: a national number of ten and a country code
LARGEST_WHOLE_NUMBER = 2**31 - 1  # the column's
_QUIET_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


class Unfit(ValueError):
    """A value that cannot be used. `at` is where inside of it, for example `[2]`."""

    def __init__(self, why: str, at: str = "") -> None:
        super().__init__(why)
        self.at = at


class Unreadable:
    """Stands for a stored secret that no configured key decrypts, so that it can still be kept or replaced."""

    def __repr__(self) -> str:
        return MASK


UNREADABLE = Unreadable()


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit("must be true or false")
    return value


def text(longest: int) -> Kind:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise Unfit("must be a text in quotes")
        if len(value.strip()) > longest:
            raise Unfit(f"must have at most {longest} characters")
        if "\0" in value:
            raise Unfit("must not contain a null character")
        return value.strip()

    return read


def one_of(words: Collection[str]) -> Kind:
    def read(value: Any) -> str:
        if value not in words:
            raise Unfit(f"must be one of {', '.join(words)}")
        return str(value)

    return read


def whole_number(least: int, most: int = LARGEST_WHOLE_NUMBER, example: int | None = None) -> Kind:
    bounds = f"of at least {least}" if most == LARGEST_WHOLE_NUMBER else f"from {least} to {most}"
    hint = f", for example {example}" if example is not None else ""

    def read(value: Any) -> int:
        if not _is_number(value) or value != int(value) or not least <= value <= most:
            raise Unfit(f"must be a whole number {bounds}{hint}")
        return int(value)

    return read


def number_above_zero(most: float = LARGEST_WHOLE_NUMBER) -> Kind:
    bounds = "above 0" if most == LARGEST_WHOLE_NUMBER else f"above 0, at most {most:g}"

    def read(value: Any) -> float:
        if not _is_number(value) or not 0 < value <= most:
            raise Unfit(f"must be a number {bounds}")
        return float(value)

    return read


def sid(prefix: str) -> Kind:
    def read(value: Any) -> str:
        written = text(64)(value)
        if written and not is_sid(written, prefix):
            raise Unfit(f"must be a SID of Twilio's: {prefix} and 32 letters or digits")
        return str(written)

    return read


def secret(value: Any) -> str | Unreadable:
    if isinstance(value, Unreadable):
        return value
    written = str(text(500)(value))
    if written == MASK:
        raise Unfit(f'is "{MASK}", which only stands for a secret in what is printed: leave the key out to keep it')
    if not written.isprintable():
        raise Unfit("has a line break or a control character in it")
    return written


def secret_or_ref(value: Any) -> str | dict[str, str] | Unreadable:
    """A secret, or an object that says where it is: a SecretRef."""
    if not reference.is_reference(value):
        try:
            return secret(value)
        except Unfit as unfit:
            if isinstance(value, str):
                raise
            raise Unfit(f"{unfit}, or a SecretRef: {{ source, provider, id }}") from None
    try:
        ref = reference.parse(value)
    except ConfigurationError as error:
        raise Unfit(f"is not a usable SecretRef. {str(error).rstrip('.')}") from None
    return ref.as_dict()


def phone_number(value: Any) -> str:
    """E.164, or blank."""
    if _is_number(value):
        return _number(_digits(value))
    if not isinstance(value, str):
        raise Unfit("must be a phone number in quotes, for example +15551234567")
    return _number(value) if value.strip() else ""


def senders(value: Any) -> list[str]:
    """E.164 numbers and `*`, each once, in the order written."""
    return _each(value, lambda entry: ANYONE if entry == ANYONE else _listed_number(entry))


def phone_numbers(value: Any) -> list[str]:
    return _each(value, _listed_number)


def countries(value: Any) -> list[str]:
    return _each(value, _country)


def webhook_path(longest: int) -> Kind:
    def read(value: Any) -> str:
        written = text(longest)(value)
        try:
            paths.refuse_unusable(written)
        except paths.UnusablePath as unusable:
            raise Unfit(str(unusable)) from None
        return paths.spelled(written)

    return read


def web_address(longest: int) -> Kind:
    def read(value: Any) -> str:
        written = str(text(longest)(value))
        if written and not is_web_address(written):
            raise Unfit("must be a whole address, https://…, exactly as entered at Twilio")
        return written

    return read


def quiet_hours(value: Any) -> str:
    written = text(11)(value)
    start, _, end = written.partition("-")
    if written and (not _QUIET_HOURS.fullmatch(written) or start == end):
        raise Unfit("must be two times of day, HH:MM-HH:MM, for example 21:00-08:00")
    return str(written)


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _each(value: Any, read: Kind) -> list[str]:
    if not isinstance(value, list):
        raise Unfit("must be a list, for example []")
    found: dict[str, None] = {}
    for position, entry in enumerate(value):
        try:
            found[read(entry)] = None
        except Unfit as unfit:
            raise Unfit(str(unfit), at=f"[{position}]") from None
    return list(found)


def _listed_number(entry: Any) -> str:
    number = phone_number(entry)
    if not number:
        raise Unfit("is blank; write a phone number or leave it out")
    return number


def _digits(value: float) -> str:
    """A number that was written without quotes. JSON5 takes `+1555…` and `1555…` for the same: the + is ours to add.

    Where a default region is set, its numbers are what is meant by digits alone. Without one, ten digits may as well
    be a number that lacks its country code, and would become somebody else's.
    """
    if value != int(value) or not 0 < value < 10**LONGEST_NUMBER:
        raise Unfit("is not a phone number; write + and the country code, then the rest of the number, in quotes")
    digits = str(int(value))
    if settings.SMS_DEFAULT_REGION:
        return digits
    if len(digits) < SHORTEST_BARE_NUMBER:
        raise Unfit("may lack its country code; write + and the country code, then the rest of the number, in quotes")
    return f"+{digits}"


def _number(written: str) -> str:
    try:
        return normalise_number(written, region=settings.SMS_DEFAULT_REGION or None)
    except InvalidNumber as error:
        why = str(error).removeprefix("The number ").rstrip(".")
        raise Unfit(why + (", or set SMS_DEFAULT_REGION" if error.code == "no_country_code" else "")) from None


def _country(entry: Any) -> str:
    code = entry.strip().upper() if isinstance(entry, str) else ""
    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise Unfit("must be a country's two-letter code, for example US")
    return code
