"""The people whose pretend phones the simulator offers. Their numbers are fictional (+1 555)."""

from dataclasses import dataclass, field

import phonenumbers


@dataclass(frozen=True, slots=True)
class Phone:
    """`number` is E.164."""

    name: str
    number: str = field(repr=False)

    @property
    def shown(self) -> str:
        return shown(self.number)


def shown(number: str) -> str:
    """An E.164 number as people write it: "+1 555-000-1111"."""
    parsed = phonenumbers.parse(number)
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL))


PHONES = (
    Phone("Alice", "+15550001111"),
    Phone("Bob", "+15550002222"),
    Phone("Carol", "+15550003333"),
    Phone("Mallory", "+15550004444"),
)
