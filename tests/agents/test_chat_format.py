"""What is posted and how the reply is found."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_sms.agents import AgentError, AgentSettings, Attachment, Reply
from openclaw_sms.agents.chat_format import reply_in, request_body, request_headers
from tests.agents.cast import ALICE, HISTORY, QUESTION, TEXT, TOKEN, assert_is_for_the_operator, question
from tests.agents.scripted_server import completion

OPENCLAW = AgentSettings(spec="chat_completions", token=TOKEN)
THIRD_PARTY = replace(OPENCLAW, model="gpt-5")


def body(settings: AgentSettings, asked: str = TEXT) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(request_body(question(asked, HISTORY), settings))
    return decoded


def test_an_openclaw_gateway_gets_the_new_text_only_since_it_keeps_the_history() -> None:
    assert body(OPENCLAW) == {
        "model": "openclaw/default",
        "messages": [{"role": "user", "content": TEXT}],
        "stream": False,
    }


def test_the_system_prompt_comes_first_then_the_last_turns_then_the_text() -> None:
    messages = body(replace(THIRD_PARTY, history_turns=3, system_prompt="Be brief."))["messages"]
    assert [(message["role"], message["content"]) for message in messages] == [
        ("system", "Be brief."),
        ("assistant", "first answer"),
        ("user", "second"),
        ("assistant", "second answer"),
        ("user", TEXT),
    ]


@given(wanted=st.integers(min_value=0, max_value=9))
def test_never_more_than_the_wanted_turns_are_sent(wanted: int) -> None:
    messages = body(replace(OPENCLAW, history_turns=wanted))["messages"]
    assert [message["content"] for message in messages] == [
        *[turn.text for turn in HISTORY[max(0, len(HISTORY) - wanted) :]],
        TEXT,
    ]


def test_the_gateway_is_told_the_conversation_and_the_channel() -> None:
    assert request_headers(QUESTION, OPENCLAW) == {
        "content-type": "application/json",
        "authorization": f"Bearer {TOKEN}",
        "x-openclaw-session-key": f"agent:main:sms:direct:{ALICE}",
        "x-openclaw-message-channel": "sms",
    }


def test_without_a_token_there_is_no_authorization() -> None:
    assert "authorization" not in request_headers(QUESTION, AgentSettings())


@pytest.mark.parametrize("key", ["", "a secret of this installation"])
def test_a_third_party_never_sees_the_number(key: str) -> None:
    settings = replace(THIRD_PARTY, pseudonym_key=key, history_turns=9)
    sent = repr(request_headers(QUESTION, settings)) + repr(body(settings))
    assert ALICE[1:] not in sent
    assert "openclaw" not in sent


def test_a_third_party_tells_senders_apart_by_a_stable_pseudonym() -> None:
    keyed = replace(THIRD_PARTY, pseudonym_key="key one")
    alice = json.loads(request_body(QUESTION, keyed))["user"]
    bob = json.loads(request_body(replace(QUESTION, sender="+15550002222"), keyed))["user"]
    again = json.loads(request_body(replace(QUESTION, text="other"), keyed))["user"]
    elsewhere = json.loads(request_body(QUESTION, replace(keyed, pseudonym_key="key two")))["user"]
    assert re.fullmatch("[0-9a-f]{64}", alice)
    assert again == alice
    assert len({alice, bob, elsewhere}) == 3


def test_without_a_key_no_guessable_hash_is_sent() -> None:
    assert "user" not in body(THIRD_PARTY)


def test_a_gateway_that_knows_the_number_needs_no_pseudonym() -> None:
    assert "user" not in body(replace(OPENCLAW, pseudonym_key="key"))


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_reaches_the_agent_unchanged(text: str) -> None:
    assert body(OPENCLAW, text)["messages"][-1]["content"] == text


@pytest.mark.parametrize(
    ("content", "reply"),
    [
        ("**hi**", "**hi**"),
        ("", ""),
        (None, ""),
        ([{"type": "text", "text": "one "}, {"type": "text", "text": "two"}], "one two"),
        ([{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "seen"}], "seen"),
        (["one ", "two", 3, None], "one two"),
        ([], ""),
        ("half \ud83d pair", "half \ufffd pair"),
        ("whole 😀", "whole 😀"),
    ],
)
def test_the_reply_is_found_in_each_form_of_content(content: object, reply: str) -> None:
    assert reply_in(completion(content)) == reply


PICTURE = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "seen"}, {"type": "image_url", "image_url": {"url": PICTURE}}],
        [{"type": "image_url", "image_url": PICTURE}, {"type": "text", "text": "seen"}],
    ],
)
def test_pictures_in_the_content_come_along(content: object) -> None:
    assert reply_in(completion(content)) == Reply("seen", (PICTURE,))


def test_pictures_beside_the_content_come_along() -> None:
    message = {"content": "seen", "images": [{"type": "image_url", "image_url": {"url": "https://a.example.com/1"}}]}
    body = json.dumps({"choices": [{"message": message}]}).encode()
    assert reply_in(body) == Reply("seen", ("https://a.example.com/1",))


def test_a_picture_alone_is_a_reply() -> None:
    assert reply_in(completion([{"type": "image_url", "image_url": {"url": PICTURE}}])) == Reply("", (PICTURE,))


@pytest.mark.parametrize("url", ["/etc/passwd", "x", "", 3, None, {"url": "https://a.example.com"}])
def test_an_endpoint_cannot_name_a_file_of_this_machine(url: object) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "seen"}]
    assert reply_in(completion(content)) == "seen"


def with_files(text: str, *types: str, settings: AgentSettings = OPENCLAW) -> object:
    asked = replace(question(text), attachments=tuple(Attachment(each, b"\x00bytes") for each in types))
    return json.loads(request_body(asked, settings))["messages"][-1]["content"]


def test_pictures_go_to_the_agent_as_data_urls() -> None:
    assert with_files("look", "image/png", "image/jpeg") == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AGJ5dGVz"}},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AGJ5dGVz"}},
    ]


def test_a_picture_without_a_word_is_named() -> None:
    parts = with_files("", "image/png")
    assert isinstance(parts, list)
    assert parts[0] == {"type": "text", "text": "[1 picture]"}


def test_what_the_format_has_no_place_for_is_named_in_the_text() -> None:
    assert with_files("hear", "audio/amr", "audio/ogg", "application/pdf") == (
        "hear\n\n[2 recordings, 1 file, not shown]"
    )


def test_only_an_openclaw_gateway_is_given_what_it_alone_can_convert() -> None:
    assert isinstance(with_files("look", "image/heic"), list)
    assert with_files("look", "image/heic", settings=THIRD_PARTY) == "look\n\n[1 picture, not shown]"


def test_a_message_without_content_says_nothing() -> None:
    assert reply_in(b'{"choices": [{"message": {"tool_calls": []}}]}') == ""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>your-blood-test-is</html>",
        b"\xff\xfe\xfa",
        b"null",
        b"[]",
        b'"choices"',
        b"{}",
        b'{"error": {"message": "your-blood-test-is"}}',
        b'{"choices": []}',
        b'{"choices": {"0": 1}}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": "your-blood-test-is"}]}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": [{"message": {"content": {"text": "x"}}}]}',
        b"[" * 200_000,
        b'{"choices": ' + b"9" * 10_000 + b"}",
    ],
)
def test_anything_else_is_misbehaviour(answer: bytes) -> None:
    with pytest.raises(AgentError) as caught:
        reply_in(answer)
    assert (caught.value.code, caught.value.retryable) == ("agent_misbehaved", False)
    assert caught.value.__context__ is None
    assert_is_for_the_operator(caught.value)


scalars = st.booleans() | st.integers() | st.floats(allow_nan=False)
json_values = st.recursive(
    st.none() | scalars | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.none() | st.text(st.characters(exclude_categories=())) | st.lists(json_values))
def test_every_string_list_or_null_gives_a_text_that_can_be_stored(content: object) -> None:
    reply = reply_in(completion(content))
    assert (reply.text if isinstance(reply, Reply) else reply).encode() is not None


@given(scalars | st.dictionaries(st.text(max_size=3), json_values))
def test_content_of_any_other_type_is_misbehaviour(content: object) -> None:
    with pytest.raises(AgentError):
        reply_in(completion(content))


@given(st.binary())
def test_no_bytes_make_it_fail_in_another_way(answer: bytes) -> None:
    with pytest.raises(AgentError):
        reply_in(answer)
