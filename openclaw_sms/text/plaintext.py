"""From an agent's reply to what can be read on a phone that knows no formatting.

Markdown marks go, everything they marked stays: addresses of links and images, numbers of lists, the indent
of code, the blank lines between paragraphs. Text without markdown comes out as it went in.

Nothing is shortened or made cheaper here, and nothing raises, whatever the input.
"""

import re

from openclaw_sms.text.dialect import parse
from openclaw_sms.text.layout import lay_out
from openclaw_sms.text.reasoning import strip_reasoning

__all__ = ["NO_REPLY", "sendable_text", "strip_reasoning", "to_plain_text"]

NO_REPLY = "NO_REPLY"
"""What an agent answers when it has nothing to say."""


def sendable_text(reply: str) -> str:
    """What of an agent's `reply` is texted; "" when it said NO_REPLY, only thought, or nothing is left."""
    answer = strip_reasoning(reply)
    if answer.strip() == NO_REPLY:
        return ""
    text = to_plain_text(answer)
    readable = any(char.isprintable() and not char.isspace() for char in text)
    return text if readable else ""


def to_plain_text(markdown: str) -> str:
    """`markdown` without its marks, with LF line ends, no blank line at either end and never two in a row.

    Only code keeps all its blank lines. A reply nested deeper than anybody reads goes out as it is written.
    """
    source = _legible(markdown)
    document = parse(source)
    if document is None:
        return re.sub(r"\n{3,}", "\n\n", source).strip()
    return "\n".join(lay_out(document)).strip("\n").rstrip()


_LINE_ENDS = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff]")


def _legible(text: str) -> str:
    """LF line ends, no control characters, and halves of a surrogate pair joined or replaced.

    A lone half cannot be sent to Twilio or stored, and NUL cannot be stored.
    """
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _UNPRINTABLE.sub("", _LINE_ENDS.sub("\n", text))
