"""Which texts are STOP, START and HELP, and which only sound like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_sms.text.flags import take_flag
from openclaw_sms.text.keywords import WORDS, Keyword, recognise, sounds_like_stop

STOP_WORDS = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]


@pytest.mark.parametrize("word", STOP_WORDS)
def test_twilios_eight_words_are_stop(word: str) -> None:
    assert recognise(word) is recognise(word.lower()) is recognise(word.title()) is Keyword.STOP


@pytest.mark.parametrize(
    "body",
    [
        " Stop \n",
        "STOP.",
        "stop!!",
        "Stop…",
        "“STOP”",
        "'stop'.",
        "«Stop»",
        "\u00a0\u3000stop\u2003",  # spaces of other keyboards
        "\r\n\tstop\x00",
        "st\u200bop\ufeff",  # marks that nobody sees
        "\u202astop\u202c",
        "ＳＴＯＰ。",  # full width
        "stop\ufe0f",
    ],
)
def test_space_quotes_and_final_punctuation_do_not_hide_it(body: str) -> None:
    assert recognise(body) is Keyword.STOP


@pytest.mark.parametrize(
    "body",
    [
        "stop please",
        "please stop",
        "/stop",
        "#stop",
        "-stop",
        "opt out",
        "s t o p",
        "nonstop",
        "stopp",
        "",
        "...",
        "STOP🛑",
    ],
)
def test_anything_else_is_a_text(body: str) -> None:
    assert recognise(body) is None


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        ("start", Keyword.START),
        ("UnStop!", Keyword.START),
        ("Yes.", Keyword.YES),
        ("help?", Keyword.HELP),
        (" info ", Keyword.HELP),
    ],
)
def test_the_other_words(body: str, keyword: Keyword) -> None:
    assert recognise(body) is keyword


@pytest.mark.parametrize(
    ("told", "keyword"), [("STOP", Keyword.STOP), (" start ", Keyword.START), ("Help", Keyword.HELP)]
)
def test_twilios_own_reading_wins_whatever_the_words(told: str, keyword: Keyword) -> None:
    assert recognise("ARRÊT", opt_out_type=told) is keyword


def test_a_type_twilio_does_not_have_says_nothing() -> None:
    assert recognise("hello", opt_out_type="PAUSE") is None
    assert recognise("stop", opt_out_type="PAUSE") is Keyword.STOP


@given(
    word=st.sampled_from(sorted(WORDS)),
    before=st.text(alphabet=" \t\n\u00a0\u3000\"'“", max_size=5),
    after=st.text(alphabet=" \t\n\u00a0.!?,;:…\"'”。！", max_size=5),
    upper=st.booleans(),
)
def test_every_word_survives_what_people_put_around_it(word: str, before: str, after: str, upper: bool) -> None:
    assert recognise(before + (word if upper else word.lower()) + after) is WORDS[word]


@given(st.text())
def test_no_text_is_too_strange(body: str) -> None:
    recognise(body)
    sounds_like_stop(body)


@pytest.mark.parametrize(
    "body",
    [
        "Stop texting me",
        "please stop messaging me!!",
        "Could you stop sending me these messages?",
        "don’t text me again",
        "Do not contact this number",
        "remove me from your list",
        "Take my number off the mailing list.",
        "no more texts please",
        "unsubscribe me",
        "I want to opt out",
        "opt out",
        "stop please",
        "STOP 🛑",
        "Wrong number, leave me alone",
    ],
)
def test_a_plea_is_heard(body: str) -> None:
    assert sounds_like_stop(body)


@pytest.mark.parametrize(
    "body",
    [
        "stop the timer",
        "how do I unsubscribe from Netflix?",
        "don't text me before 9, I am asleep",
        "What time does the bus stop?",
        "Remove milk from my list",
        "remove Bob from the list",
        "When should I stop taking these pills?",
        "cancel my meeting",
        "/stop",
        "no more text until tomorrow",
        "write me a message that says stop",
    ],
)
def test_other_wishes_are_left_to_the_agent(body: str) -> None:
    assert not sounds_like_stop(body)


def test_the_agents_mark_is_taken_out_of_its_answer() -> None:
    assert take_flag("I understand.\n[[asked_to_stop]]") == ("I understand.\n", True)
    assert take_flag("[[ Asked_To_Stop ]]") == ("", True)
    assert take_flag("[[reply_to_current]] hi") == ("[[reply_to_current]] hi", False)
