"""The first reply a new installation gives: what was sent, unharmed, and what to do next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from openclaw_sms.agents.echo import Echo
from openclaw_sms.text.segments import Encoding, measure
from tests.agents.cast import ALICE, QUESTION, question

HOSTILE = [
    "2*3*4 and snake_case_name",
    "**bold** _it_ ~~gone~~ `code`",
    "```\ncode\n```",
    "``````",
    "~~~",
    "# heading\n- list\n> quote\n---",
    "[label](https://example.com) ![alt](https://example.com/a.png)",
    "<b>raw</b> &amp; \\*",
    "    four spaces\n\n\n\tand a tab",
    "NO_REPLY",
]


def fenced_content(markdown: str) -> str:
    [fence] = [token for token in MarkdownIt("commonmark").parse(markdown) if token.type == "fence"]
    return fence.content


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_in_the_text_comes_out_as_it_went_in(text: str) -> None:
    assert fenced_content(Echo().answer(question(text))) == f"{text}\n"


@given(st.text(alphabet="`~ab*_#-> \n\t", max_size=40) | st.text())
def test_no_text_gets_out_of_its_fence(text: str) -> None:
    as_markdown_reads_it = f"{text}\n".replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    assert fenced_content(Echo().answer(question(text))) == as_markdown_reads_it


def test_it_shows_the_conversation_an_agent_would_see_and_how_to_connect_one() -> None:
    reply = Echo().answer(QUESTION)
    assert f"agent:main:sms:direct:{ALICE}" in reply
    assert "SMS_AGENT" in reply
    assert "**" in reply, "the reply is markdown, so that the phone shows that markdown is flattened"


def test_a_short_text_costs_at_most_two_segments() -> None:
    without_its_markers = Echo().answer(question("hello " * 16)).replace("**", "").replace("`", "")
    cost = measure(without_its_markers)
    assert cost.encoding is Encoding.GSM7
    assert cost.segments <= 2


def test_it_wants_no_history_and_holds_nothing() -> None:
    echo = Echo()
    assert echo.history_turns == 0
    echo.close()
    assert echo.answer(QUESTION)
