from openclaw_sms.sandbox.phones import PHONES, shown
from openclaw_sms.sandbox.state import FROM_NUMBER
from openclaw_sms.text.phone import normalise_number


def test_the_cast_has_four_phones_with_numbers_of_their_own() -> None:
    assert [phone.name for phone in PHONES] == ["Alice", "Bob", "Carol", "Mallory"]
    assert len({phone.number for phone in PHONES} | {FROM_NUMBER}) == 5


def test_their_numbers_are_fictional_and_e164() -> None:
    for phone in PHONES:
        assert phone.number.startswith("+1555")
        assert normalise_number(phone.number) == phone.number


def test_numbers_are_shown_as_people_write_them() -> None:
    assert shown("+15550001111") == "+1 555-000-1111"
