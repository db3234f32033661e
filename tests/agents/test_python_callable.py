"""`SMS_AGENT=package.module:function`."""

from dataclasses import replace

import pytest

from openclaw_sms.agents import AgentError, Attachment, Reply
from openclaw_sms.agents.python_callable import PythonCallable
from tests.agents import functions
from tests.agents.cast import QUESTION, TEXT, assert_is_for_the_operator

HERE = "tests.agents.functions"


def test_the_function_answers() -> None:
    assert PythonCallable(f"{HERE}:shout").answer(QUESTION) == TEXT.upper()


def test_a_dotted_function_is_found_inside_its_class() -> None:
    assert PythonCallable(f"{HERE}:Desk.answer").answer(QUESTION) == f"desk: {TEXT}"


def test_none_means_no_reply() -> None:
    assert PythonCallable(f"{HERE}:stay_silent").answer(QUESTION) == ""


@pytest.mark.parametrize(("function", "kind"), [("repeat_and_fail", "LookupError"), ("leave", "SystemExit")])
def test_what_the_function_raises_is_named_by_type_only_and_not_retried(function: str, kind: str) -> None:
    with pytest.raises(AgentError) as caught:
        PythonCallable(f"{HERE}:{function}").answer(QUESTION)
    assert (caught.value.code, caught.value.retryable) == ("agent_failed", False)
    assert kind in str(caught.value)
    assert caught.value.__context__ is None
    assert_is_for_the_operator(caught.value)


def test_an_agent_error_of_the_function_is_passed_on_as_it_is() -> None:
    with pytest.raises(AgentError, match="The queue is full") as caught:
        PythonCallable(f"{HERE}:ask_for_patience").answer(QUESTION)
    assert caught.value.retryable
    assert caught.value.retry_after is not None


@pytest.mark.parametrize(("function", "kind"), [("count", "int"), ("return_a_coroutine", "coroutine")])
def test_anything_but_a_string_is_misbehaviour(function: str, kind: str) -> None:
    with pytest.raises(AgentError, match=f"returned {kind}") as caught:
        PythonCallable(f"{HERE}:{function}").answer(QUESTION)
    assert caught.value.code == "agent_misbehaved"
    assert_is_for_the_operator(caught.value)


PICTURE = Attachment("image/png", b"\x89PNG bytes")


def test_files_of_the_text_are_on_the_disk_for_this_user_while_the_function_runs() -> None:
    functions.seen.clear()
    asked = replace(QUESTION, attachments=(PICTURE, Attachment("audio/amr", b"sound")))
    assert PythonCallable(f"{HERE}:look").answer(asked) == "2 files"
    (path, data, mode), (other, sound, _) = functions.seen
    assert (path.suffix, data, mode & 0o077) == (".png", PICTURE.data, 0)
    assert (other.suffix, sound) == (".amr", b"sound")
    assert not path.exists()
    assert not path.parent.exists()


def test_a_reply_may_carry_addresses_files_and_bytes() -> None:
    """A file that the function got with the text is gone when it returns, and can be sent all the same."""
    asked = replace(QUESTION, attachments=(PICTURE,))
    assert PythonCallable(f"{HERE}:send_back").answer(asked) == Reply(
        "yours", ("https://a.example.com/1.png", PICTURE.data, b"bytes", PICTURE.data)
    )


def test_a_file_that_is_not_there_is_told_later() -> None:
    reply = PythonCallable(f"{HERE}:send_what_is_missing").answer(QUESTION)
    assert isinstance(reply, Reply)
    assert [str(each) for each in reply.media] == ["/nowhere/at/all.png"]


@pytest.mark.parametrize("function", ["send_a_number", "say_a_number"])
def test_a_reply_of_other_things_is_misbehaviour(function: str) -> None:
    with pytest.raises(AgentError, match="returned Reply") as caught:
        PythonCallable(f"{HERE}:{function}").answer(QUESTION)
    assert caught.value.code == "agent_misbehaved"
    assert_is_for_the_operator(caught.value)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("tests.agents.nowhere:shout", "names the module tests.agents.nowhere, but there is none"),
        ("nowhere.at.all:shout", "names the module nowhere.at.all, but there is none"),
        ("tests.agents.module_missing_its_own:x", "imports a_package_nobody_installed, which is missing"),
        ("tests.agents.broken_module:x", "cannot be imported .RuntimeError."),
        (f"{HERE}:whisper", "has no whisper"),
        (f"{HERE}:Desk.whisper", "has no Desk.whisper"),
        (f"{HERE}:NOT_A_FUNCTION", "is not a function"),
        (f"{HERE}:answer_later", "is an async function"),
        (f"{HERE}:async_desk", "is an async function"),
        (f"{HERE}:", "not of the form"),
        (":shout", "not of the form"),
        (f"{HERE}:shout:", "not of the form"),
        (f"{HERE}:shout()", "not of the form"),
        ("http://user:hush@agent/", "not of the form"),
        (".relative:shout", "not of the form"),
    ],
)
def test_what_cannot_be_called_is_refused_when_built(spec: str, problem: str) -> None:
    with pytest.raises(AgentError, match=problem) as caught:
        PythonCallable(spec)
    assert (caught.value.code, caught.value.retryable) == ("agent_not_configured", False)
    assert "SMS_AGENT" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "the reason stays here" not in str(caught.value)
    assert_is_for_the_operator(caught.value)
