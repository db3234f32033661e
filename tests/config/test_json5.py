"""JSON5 in and out: what is wrong is found where it is."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_sms.config import json5
from openclaw_sms.config.json5 import BadSyntax


def test_everything_json5_allows_is_read() -> None:
    text = "\ufeff// a comment\n{ 'a': +1, b: [.5, 0x10,], /* two */ c: \"x\\\ny\", }"
    assert json5.parse(text, name="f") == {"a": 1, "b": [0.5, 16], "c": "xy"}


@pytest.mark.parametrize(
    ("text", "line", "column", "why"),
    [
        ("", 1, 1, "nothing in it"),
        ("{a: 1,, b: 2}", 1, 7, "a comma too many"),
        ('{\n  a: "x"\n  b: 2}', 3, 3, "a comma is missing"),
        ("{\n a: pairing}", 2, 5, "needs quotes"),
        ("{a-b: 1}", 1, 3, "quotes around the key"),
        ("{\n\n  b: {c: 1}", 1, 1, "this object is not closed"),
        ('{a: 1, b: "é\n"}', 1, 11, "this string is not closed"),
        ("{a: ]}", 1, 5, "']' cannot stand here"),
        ("{a: 1}\n}", 1, 7, "more follows"),
        ("{/* x", 1, 3, "this comment is not closed"),
        ("{a: 1e999}", 1, 5, "this number cannot be read"),
        ("[" * 100, 1, 33, "32 levels deep"),
    ],
)
def test_a_fault_is_told_with_its_line_and_column(text: str, line: int, column: int, why: str) -> None:
    with pytest.raises(BadSyntax) as refused:
        json5.parse(text, name="sms.json5")
    sentence = str(refused.value)
    assert sentence.startswith(f"sms.json5 is not JSON5: line {line}, column {column}: ")
    assert why in sentence


def test_a_fault_shows_nothing_of_a_secret() -> None:
    with pytest.raises(BadSyntax) as refused:
        json5.parse("{authToken: s3cret-token}", name="f")
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(values)
def test_what_is_written_is_read_again(value: object) -> None:
    assert json5.parse(json5.one_line(value), name="f") == value


@settings(deadline=None)
@given(st.text())
def test_no_text_is_worse_than_refused(text: str) -> None:
    with suppress(BadSyntax):
        json5.parse(text, name="f")
