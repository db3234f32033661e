"""What may be entered by hand is what a document may have, but for the mistakes that only typing makes."""

from typing import Any

import pytest

from openclaw_sms.config import entry, schema
from openclaw_sms.config.sources import ConfigurationError
from tests.config.test_validation import BAD, GOOD

COLUMNS = {key.name: key.column for key in schema.KEYS.values()}
REFUSED_BY_HAND = [
    ("accountSid", "AC" + "x" * 32),
    ("messagingServiceSid", "MG" + "x" * 32),
    ("textChunkLimit", 5000),
]


def entered(name: str, value: Any) -> bool:
    """Whether a form could hold the value at all: not a switch, not a reference, and not blank."""
    return COLUMNS.get(name) in entry.LABELS and not isinstance(value, bool | dict) and value not in ("", None)


def _name(value: Any) -> str:
    """Some of the values are too long for an id."""
    return value if isinstance(value, str) and value in COLUMNS else "-"


@pytest.mark.parametrize(("name", "value", "kept"), [case for case in GOOD if entered(*case[:2])], ids=_name)
def test_what_a_document_may_have_may_be_entered(name: str, value: Any, kept: Any) -> None:
    if (name, value) in REFUSED_BY_HAND:
        with pytest.raises(ConfigurationError, match=entry.LABELS[COLUMNS[name]]):
            entry.fit(COLUMNS[name], value)
    else:
        assert entry.fit(COLUMNS[name], value) == kept


@pytest.mark.parametrize(("name", "value", "words"), [case for case in BAD if entered(*case[:2])], ids=_name)
def test_what_a_document_may_not_have_may_not_be_entered(name: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        entry.fit(COLUMNS[name], value)
    sentence = str(refused.value)
    assert sentence.startswith(entry.LABELS[COLUMNS[name]])
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("account_sid", "AC" + "x" * 32),
        ("messaging_service_sid", "MG" + "z" * 32),
        ("api_key_sid", "SK" + "x" * 32),
        ("auth_token", "two words"),
        ("secondary_auth_token", "t\u00f6ken"),
        ("api_key_secret", "a\tb"),
        ("text_chunk_limit", 1601),
    ],
)
def test_what_only_typing_gets_wrong_is_refused(column: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=entry.LABELS[column]):
        entry.fit(column, value)


def test_every_column_that_is_looked_at_closer_has_a_label_and_a_kind() -> None:
    assert set(entry.CLOSER) <= set(entry.LABELS) <= set(COLUMNS.values())


@pytest.mark.parametrize("blank", ["", "  "])
def test_what_is_needed_must_be_entered(blank: str) -> None:
    with pytest.raises(ConfigurationError, match="Account SID is needed"):
        entry.needed("account_sid", blank)
