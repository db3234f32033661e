"""What a reference looks like, and the sentence for each one that does not."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_sms.config.secrets.reference import SecretRef, Source, is_reference, parse, parse_words
from openclaw_sms.config.sources import ConfigurationError


@pytest.mark.parametrize(
    ("source", "provider", "secret_id"),
    [
        ("env", "default", "TWILIO_AUTH_TOKEN"),
        ("env", "a" + "b" * 63, "A" + "9" * 127),
        ("store", "team-1_x", "T"),
        ("file", "files", "/twilio/a~1b~0c/0"),
        ("file", "files", "/"),
        ("file", "files", "value"),
        ("exec", "vault", "providers/twilio:token#v1.2"),
        ("exec", "vault", "a" * 256),
    ],
)
def test_good_ones_are_read_and_written_alike(source: str, provider: str, secret_id: str) -> None:
    ref = parse({"source": source, "provider": provider, "id": secret_id})
    assert ref.as_dict() == {"source": source, "provider": provider, "id": secret_id}
    assert parse_words(str(ref)) == ref


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "is {source, provider, id}"),
        (["env"], "is {source, provider, id}"),
        ("token", "is {source, provider, id}"),
        ({"source": "env", "provider": "default", "id": "A", "key": "x"}, "and no key"),
        ({"source": "vault", "provider": "default", "id": "A"}, "source must be env, file, exec or store"),
        ({"source": ["env"], "provider": "default", "id": "A"}, "source must be"),
        ({"source": "env", "id": "A"}, "provider must be"),
        ({"source": "env", "provider": "Default", "id": "A"}, "provider must be"),
        ({"source": "env", "provider": "a" * 65, "id": "A"}, "provider must be"),
        ({"source": "env", "provider": "default\n", "id": "A"}, "provider must be"),
        ({"source": "env", "provider": "default"}, "id must, for env, be the name of a variable"),
        ({"source": "env", "provider": "default", "id": "lower"}, "id must, for env"),
        ({"source": "env", "provider": "default", "id": "A" * 129}, "id must, for env"),
        ({"source": "env", "provider": "default", "id": "A\n"}, "id must, for env"),
        ({"source": "store", "provider": "default", "id": "a-b"}, "id must, for store"),
        ({"source": "file", "provider": "f", "id": "twilio/token"}, "id must, for file, be an absolute JSON pointer"),
        ({"source": "file", "provider": "f", "id": "/a~2b"}, "id must, for file"),
        ({"source": "file", "provider": "f", "id": ""}, "id must, for file"),
        ({"source": "exec", "provider": "v", "id": "-flag"}, "id must, for exec"),
        ({"source": "exec", "provider": "v", "id": "a b"}, "id must, for exec"),
        ({"source": "exec", "provider": "v", "id": "a/../b"}, "id must, for exec"),
        ({"source": "exec", "provider": "v", "id": "a" * 257}, "id must, for exec"),
        ({"source": "exec", "provider": "v", "id": 7}, "id must, for exec"),
    ],
)
def test_bad_ones_are_refused_with_the_reason(value: object, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        parse(value)


@pytest.mark.parametrize("words", ["", "env", "env:default", "default", "env:default:lower"])
def test_one_line_needs_all_three(words: str) -> None:
    with pytest.raises(ConfigurationError, match="secret reference"):
        parse_words(words)


@pytest.mark.parametrize("words", ["${TWILIO_TOKEN}", "$TWILIO_TOKEN", " ${TWILIO_TOKEN} "])
def test_the_shorthand_names_a_variable(words: str) -> None:
    assert is_reference(words)
    assert parse(words) == SecretRef(Source.ENV, "default", "TWILIO_TOKEN")


@pytest.mark.parametrize("token", ["", "0123456789abcdef", "$from a file", "${lower}", "$", "a$TOKEN"])
def test_a_token_is_no_shorthand(token: str) -> None:
    assert not is_reference(token)


@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_nothing_else_than_a_sentence_comes_of_anything(value: object) -> None:
    with contextlib.suppress(ConfigurationError):
        parse(value)
