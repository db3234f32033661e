"""What an agent says to the operator beside its reply: one mark, which is never sent to anybody."""

import re

# An agent writes it when it understands that the sender wants no more texts.
ASKED_TO_STOP = "[[asked_to_stop]]"
_MARK = re.compile(r"[ \t]*\[\[\s*asked_to_stop\s*\]\][ \t]*", re.IGNORECASE)


def take_flag(answer: str) -> tuple[str, bool]:
    """`answer` without the mark, and whether it was there. What is left may be empty: then nothing is sent."""
    rest, found = _MARK.subn("", answer)
    return rest, bool(found)
