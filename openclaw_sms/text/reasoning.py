"""Keeps a model's thinking in the house.

Some models write their reasoning into the reply, between tags such as `<think>` and `</think>`. This module
removes it and leans to the safe side: where thinking and answer cannot be told apart, the text goes. So a
block that is never closed takes the rest with it, and a closing tag on its own takes everything before it
(some chat templates open the block in the prompt, where we do not see it).

One thing is spared, because people do ask how such tags work: a tag quoted as code. That means inside a
closed fence, or between backticks that hold nothing but the tag, or a pair of tags with words between them.
Other text between two backticks may be thinking that happens to contain some, so there a tag counts.
"""

import re

_NAME = r"(?:(?:ant)?think(?:ing)?|thoughts?|reasoning|reflection|scratchpad)"
_OPEN = rf"<\s*{_NAME}(?:\s[^<>]{{0,200}})?>"
_CLOSE = rf"<\s*/\s*{_NAME}\s*>"
_EMPTY = rf"<\s*{_NAME}\s*/\s*>"
_MARK = re.compile(
    rf"""(?P<fence>^[ \t]*(?:`{{3,}}|~{{3,}})[^`\n]*$)
    | (?P<quoted>(?<!`)`{{1,3}}[ ]?(?:{_OPEN}[^`\n]*{_CLOSE}|{_OPEN}|{_CLOSE}|{_EMPTY})[ ]?`)
    | (?P<empty>{_EMPTY})
    | (?P<open>{_OPEN})
    | (?P<close>{_CLOSE})""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_CLOSING_FENCE = {mark: re.compile(rf"^[ \t]*{mark}{{3,}}[ \t]*$", re.MULTILINE) for mark in ("`", "~")}


def strip_reasoning(text: str) -> str:
    """`text` without the thinking in it; what remains is untouched, blank lines included."""
    kept: list[str] = []
    fences = _Fences(text)
    resume, thinking, code_ends = 0, False, 0
    for mark in _MARK.finditer(text):
        if mark.start() < code_ends or mark.lastgroup == "quoted":
            continue
        if mark.lastgroup == "fence":
            code_ends = code_ends if thinking else fences.end_of(mark)
        elif mark.lastgroup == "close":
            if not thinking:
                kept.clear()
            resume, thinking = mark.end(), False
        elif not thinking:
            kept.append(text[resume : mark.start()])
            resume, thinking = mark.end(), mark.lastgroup == "open"
    if not thinking:
        kept.append(text[resume:])
    return "".join(kept)


class _Fences:
    """Where the fences of a text close; each character's closing lines are looked up only once."""

    def __init__(self, text: str) -> None:
        self._ends = {
            mark: iter([m.end() for m in closing.finditer(text)]) for mark, closing in _CLOSING_FENCE.items()
        }

    def end_of(self, opening: re.Match[str]) -> int:
        """End of the fence that starts at `opening`, which is its own line alone if nothing closes it."""
        closing = self._ends[opening[0].lstrip()[0]]
        return next((end for end in closing if end > opening.end()), opening.end())
