"""The values that cross the seam."""

from datetime import timedelta

from openclaw_sms.agents import AgentError, AgentErrorCode, AgentSettings
from tests.agents.cast import ALICE, HISTORY, TEXT, TOKEN, question


def test_the_session_key_is_the_one_an_openclaw_gateway_gives_a_direct_sms_conversation() -> None:
    assert question().session_key == "agent:main:sms:direct:+15550001111"


def test_a_question_shows_neither_text_nor_number_nor_history() -> None:
    shown = repr(question(history=HISTORY))
    for private in (TEXT, ALICE, "first answer"):
        assert private not in shown
    assert "first answer" not in repr(HISTORY)


def test_settings_show_no_secret() -> None:
    settings = AgentSettings(
        url="http://user:hush@127.0.0.1/?key=hush", token=TOKEN, system_prompt="hush", pseudonym_key="hush"
    )
    assert "hush" not in repr(settings)
    assert TOKEN not in repr(settings)


def test_an_error_is_its_sentence_and_is_not_retryable_unless_it_says_so() -> None:
    error = AgentError("agent_failed", "It broke: mend it.")
    assert str(error) == "It broke: mend it."
    assert (error.code, error.retryable, error.retry_after) == ("agent_failed", False, None)
    patient = AgentError("agent_busy", "Wait: wait.", retryable=True, retry_after=timedelta(seconds=3))
    assert (patient.retryable, patient.retry_after) == (True, timedelta(seconds=3))


def test_the_codes_are_the_documented_strings() -> None:
    assert {str(code) for code in AgentErrorCode} == {
        "agent_unreachable",
        "agent_busy",
        "agent_timeout",
        "agent_refused",
        "agent_failed",
        "agent_misbehaved",
        "agent_not_configured",
        "agent_token_unavailable",
    }
