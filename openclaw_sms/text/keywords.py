"""The words that a text may consist of, and that then are no text for anybody: STOP, START, HELP and their kin.

Only a whole text counts, as at Twilio: "stop please" is a sentence, which is what `sounds_like_stop` is for; that one
is a hint to a person and decides nothing.
Source: https://help.twilio.com/articles/223134027 (keywords since 2025-05-14)
"""

import enum
import re
import unicodedata


class Keyword(enum.Enum):
    STOP = "stop"
    START = "start"
    YES = "yes"  # START for those who are out, a word like any other for the rest
    HELP = "help"


WORDS = {
    **dict.fromkeys(
        ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"),
        Keyword.STOP,
    ),
    **dict.fromkeys(("START", "UNSTOP"), Keyword.START),
    "YES": Keyword.YES,
    **dict.fromkeys(("HELP", "INFO"), Keyword.HELP),
}
# Twilio's OptOutType, which speaks for itself whatever the text says (an account may have words of its own).
OPT_OUT_TYPES = {"STOP": Keyword.STOP, "START": Keyword.START, "HELP": Keyword.HELP}

LONGEST_WORD = max(map(len, WORDS))
# A text that long is no single word, whatever is around it.
LONGEST_LOOKED_AT = 200
# Not a slash or another mark: "/stop" is a command to many agents, and "#stop" is not Twilio's word either.
QUOTES = frozenset("\"'`´‘’‚‛“”„‟«»‹›「」『』")


def recognise(body: str, *, opt_out_type: str = "") -> Keyword | None:
    """The keyword that a text is; None for a text. `opt_out_type`: Twilio's parameter, which wins if it is known."""
    told = OPT_OUT_TYPES.get(opt_out_type.strip().upper())
    return told or WORDS.get(_bare(body))


def _bare(body: str) -> str:
    """`body` in capitals, without the space and quotes around it and the punctuation at its end.

    NFKC makes full-width letters plain ones; marks nobody sees (zero-width, direction) are dropped wherever they are.
    """
    if len(body) > LONGEST_LOOKED_AT:
        return ""
    plain = unicodedata.normalize("NFKC", body)
    seen = "".join(mark for mark in plain if not _is_invisible(mark))
    start, end = 0, len(seen)
    while start < end and (_is_space(seen[start]) or seen[start] in QUOTES):
        start += 1
    while end > start and (_is_space(seen[end - 1]) or _is_punctuation(seen[end - 1])):
        end -= 1
    return seen[start:end].upper() if end - start <= LONGEST_WORD else ""


def _is_invisible(mark: str) -> bool:
    return unicodedata.category(mark) == "Cf" or "\ufe00" <= mark <= "\ufe0f"


def _is_space(mark: str) -> bool:
    return mark.isspace() or unicodedata.category(mark) in ("Zs", "Zl", "Zp", "Cc")


def _is_punctuation(mark: str) -> bool:
    return unicodedata.category(mark).startswith("P") or mark in QUOTES


# What people write who want to be left alone and do not know the word. Conservative: each line needs somebody to be
# told to stop contacting *them*, so that "stop the music" and "how do I unsubscribe from Netflix" are left alone.
_STOP = r"(?:stop|quit|cease)"
_CONTACT = r"(?:text(?:ing|s)?|messag(?:e|es|ing)|sms(?:ing)?|contact(?:ing)?|writ(?:e|ing)(?:\s+to)?|spam(?:ming)?)"
_NEVER = r"(?:don'?t|do\s+not|never)"
_PHRASES = (
    rf"\b{_STOP}\s+(?:{_CONTACT}|bothering|sending)\s+(?:to\s+)?(?:me|us|this\s+number)\b",
    rf"\b{_STOP}\s+sending\s+(?:me\s+|us\s+)?(?:these\s+|those\s+|your\s+|any\s+|more\s+)*(?:texts|messages|sms|spam)\b",
    rf"\b{_STOP}\s+(?:all\s+|these\s+|those\s+|your\s+)+(?:texts|messages|sms|spam)\b",
    rf"\b{_NEVER}\s+(?:ever\s+)?{_CONTACT}\s+(?:me|us|this\s+number)\b(?!\s+(?:about|until|till|before|after|at|on))",
    r"\bno\s+more\s+(?:texts|messages|sms|spam)\b(?!\s+(?:about|until|till|before|after))",
    r"\b(?:take|remove|delete)\s+(?:me|us|(?:my|this)\s+number)\s+(?:off|from)\s+(?:\w+\s+){1,2}(?:list|database)\b",
    r"^\W*(?:please\s+)?unsubscribe\s+me\b",
    r"\bi\s+(?:want|wish|would\s+like|'?d\s+like)\s+to\s+(?:opt[\s-]?out|unsubscribe)\W*$",
    r"^\W*(?:please\s+)?opt(?:[\s-]+|\s+me\s+)out\W*$",
    r"^[^\w/]*stop\W*$",  # with an emoji behind it, or a # before it
    r"^\W*(?:please\s+stop|stop\s+please|stop\s+it|just\s+stop|stop\s+now)\W*$",
    r"^\W*(?:wrong\s+number\W+)?(?:leave\s+me\s+alone|lose\s+(?:my|this)\s+number)\W*$",
)
_SOUNDS_LIKE_STOP = re.compile("|".join(f"(?:{phrase})" for phrase in _PHRASES), re.IGNORECASE)


def sounds_like_stop(body: str) -> bool:
    """Whether a text reads as if its sender wanted no more texts. For a person to look at, never to act upon."""
    return bool(_SOUNDS_LIKE_STOP.search(body[:1600].replace("’", "'")))
