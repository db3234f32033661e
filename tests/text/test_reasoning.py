"""Thinking never leaves the house; a question about thinking tags still gets its answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_sms.text.reasoning import strip_reasoning


@pytest.mark.parametrize(
    "reply",
    [
        "<think>secret</think>answer",
        "<THINK>secret</Think>answer",
        "<thinking>secret</thinking>answer",
        "<antThinking>secret</antThinking>answer",
        "<thought>secret</thought>answer",
        "<reasoning>secret\n\nsecret</reasoning>answer",
        '<reflection kind="deep">secret</reflection>answer',
        "< think >secret</ think >answer",
        "<think>secret</thinking>answer",
        "<think>secret <think>secret</think> secret</think>answer",
        "<think>secret, or <think> perhaps</think>answer",
        "<think>secret\n```\ncode</think>answer",
        "<think>secret `</think>` secret</think>answer",
        "secret</think>answer",
        "answer<think>secret",
        "answer<think>secret <think> secret",
        "<think/>answer",
        "an<think>secret</think>swer",
    ],
)
def test_thinking_goes_and_the_answer_stays(reply: str) -> None:
    assert strip_reasoning(reply).strip() == "answer"


@pytest.mark.parametrize(
    "reply",
    [
        "The `<think>` tag opens it and `</think>` closes it.",
        "Write `<think>your thoughts</think>` first.",
        "Example:\n```xml\n<think>\nhm\n</think>\n```\nDone.",
        "~~~\n<think>\n~~~\nDone.",
        "I think <b>so</b>, a < b.",
        "<thinker>not a tag of ours</thinker>",
        "",
    ],
)
def test_a_tag_quoted_as_code_is_part_of_the_answer(reply: str) -> None:
    assert strip_reasoning(reply) == reply


def test_backticks_that_hold_more_than_the_tag_do_not_hide_thinking() -> None:
    assert "secret" not in strip_reasoning("a ` b <think>secret ` more")


def test_a_fence_that_never_closes_does_not_hide_thinking() -> None:
    assert "secret" not in strip_reasoning("```\n<think>secret</think>answer")


def test_thinking_after_a_fence_goes() -> None:
    assert strip_reasoning("```\n<think>\n```\n<think>secret</think>answer") == "```\n<think>\n```\nanswer"


@given(st.lists(st.sampled_from(["<think>", "`", "```\n", "\n", "secret", "~~~", "<b>"])).map("".join))
def test_nothing_before_the_first_closing_tag_survives(thinking: str) -> None:
    assert strip_reasoning(f"<think>{thinking}\n</think>answer") == "answer"
