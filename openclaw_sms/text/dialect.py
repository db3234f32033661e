"""The markdown we read: CommonMark, tables and strikethrough, made gentle on text that is not markdown.

Most of what an agent writes is prose with a little markdown in it. CommonMark itself is careless with such
prose: it reads `2*3*4` as emphasis, eats the backslashes of `\\\\server\\share`, and drops the indent of a line.
Each rule replaced here spares one of those, and says which.

This module only parses. What the tokens look like as plain text is decided in `plaintext`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, blockquote
from markdown_it.rules_inline import StateInline, image, link
from markdown_it.rules_inline.emphasis import tokenize as emphasis
from markdown_it.token import Token

_DEEPEST = 64
_LONGEST_LINK = 2_500
"""A label and its address; the parser looks this far for the end of a link, which keeps `[[[[…` linear."""


@dataclass(frozen=True, slots=True)
class Document:
    """A reply as blocks: markdown-it-py's tokens, the lines they refer to, and link definitions nobody used.

    An unused definition is a half-open range of lines. It holds words of the reply ("[note]: remember"), so it
    must not vanish as the others do.
    """

    tokens: list[Token]
    lines: list[str]
    unused_definitions: list[tuple[int, int]]


def parse(source: str) -> Document | None:
    """`source` as a document, or None where it nests deeper than anybody reads (the parser would drop text)."""
    environment: dict[str, Any] = {}
    tokens = _PARSER.parse(source, environment)
    if any(token.nesting == 1 and token.level + 1 >= _DEEPEST for token in tokens):
        return None
    return Document(tokens, source.split("\n"), _unused_definitions(tokens, environment))


def _unused_definitions(tokens: list[Token], environment: dict[str, Any]) -> list[tuple[int, int]]:
    used = {child.meta.get("label") for token in tokens for child in token.children or []}
    definitions = environment.get("references", {})
    unused = [definition for label, definition in definitions.items() if label not in used]
    unused += environment.get("duplicate_refs", [])
    return sorted((first, end) for first, end in (definition["map"] for definition in unused))


class _Parser(MarkdownIt):
    """Shows every address as it was written. Nothing here becomes HTML, so no scheme can do harm."""

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - markdown-it's name
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802
        return link

    def validateLink(self, url: str) -> bool:  # noqa: N802
        return True


def _keeping_comparisons(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """`>= 5` and `>50%` at the start of a line compare; a quote mark has a space or a letter after it."""
    first = state.bMarks[start] + state.tShift[start]
    if re.match(r">[=\d]", state.src[first : first + 2]):
        return False
    return blockquote(state, start, end, silent)


def _paragraph(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A paragraph that ends where its list does.

    CommonMark pulls a line that follows a list without a blank line into the last item ("- eggs" and then
    "Thanks!" below it); we would then have to indent it.
    """
    end = state.lineMax
    terminators = state.md.block.ruler.getRules("paragraph")
    parent, state.parentType = state.parentType, "paragraph"
    line = start + 1
    while line < end and not state.isEmpty(line):
        if 0 <= state.sCount[line] < state.blkIndent:
            break
        continues = state.sCount[line] - state.blkIndent > 3 or state.sCount[line] < 0
        if not continues and any(rule(state, line, end, True) for rule in terminators):
            break
        line += 1
    state.line = line
    _push_paragraph(state, start, line)
    state.parentType = parent
    return True


def _push_paragraph(state: StateBlock, start: int, end: int) -> None:
    state.push("paragraph_open", "p", 1).map = [start, end]
    inline = state.push("inline", "", 0)
    inline.content = state.getLines(start, end, state.blkIndent, False).strip()
    inline.map, inline.children = [start, end], []
    state.push("paragraph_close", "p", -1)


def _newline(state: StateInline, silent: bool) -> bool:
    """A line break that keeps the indent of the next line, which CommonMark drops."""
    if state.src[state.pos] != "\n":
        return False
    if not silent:
        state.pending = state.pending.rstrip(" \t")
        state.push("softbreak", "br", 0)
    state.pos += 1
    return True


_URL_REST = re.compile(r"://[^\s<>\[\]`]+")
_PATH_REST = re.compile(r"\\[^\s<>\"|?*`]+")
_DRIVE = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]:$")
_SHARE = re.compile(r"\\\\\w")


def _verbatim(state: StateInline, silent: bool) -> bool:
    """Bare web addresses and Windows paths: no underscore, asterisk or backslash in them is markup."""
    found = _web_address_end(state) or _windows_path_end(state)
    if not found:
        return False
    if not silent:
        state.append_pending(state.src[state.pos : found])
    state.pos = found
    return True


def _web_address_end(state: StateInline) -> int | None:
    if not state.src.startswith("://", state.pos) or not state.src.endswith(("http", "https", "ftp"), 0, state.pos):
        return None
    match = _URL_REST.match(state.src, state.pos, state.posMax)
    if not match:
        return None
    address = match[0].rstrip("*_~.,;:!?'\"")
    while address.endswith(")") and address.count(")") > address.count("("):
        address = address[:-1].rstrip("*_~.,;:!?'\"")
    return state.pos + max(len(address), 1)


def _windows_path_end(state: StateInline) -> int | None:
    before = state.src[max(0, state.pos - 3) : state.pos]
    starts_share = _SHARE.match(state.src, state.pos) and (not before or before[-1] in " \t\n\"'([{")
    if not (starts_share or _DRIVE.search(before)):
        return None
    match = _PATH_REST.match(state.src, state.pos, state.posMax)
    return match.end() if match else None


_CODE_NAME = re.compile(r"_{1,2}(?:[^\W_]{1,40}_{1,2}){1,8}(?=[./\\@=:]\w|\()")
# Spelled like bold text, but never meant as such.
_SPECIAL_NAME = re.compile(
    r"__(?:init|main|name|file|all|call|class|del|dict|dirname|doc|enter|eq|exit|filename|future|getattr"
    r"|getitem|hash|iter|len|mocks|new|next|proto|pycache|repr|slots|str|tests|version)__(?!\w)"
)


def _emphasis(state: StateInline, silent: bool) -> bool:
    """Emphasis, except for asterisks that multiply and underscores that belong to a name."""
    marker = state.src[state.pos]
    if silent or marker not in "*_":
        return False
    end = _end_of_name(state) if marker == "_" else _end_of_operator(state)
    if end is None:
        return emphasis(state, silent)
    state.append_pending(state.src[state.pos : end])
    state.pos = end
    return True


def _end_of_name(state: StateInline) -> int | None:
    """End of a name such as `__init__.py`, or of the `_next_` in `static/_next_/app.js`."""
    special = _SPECIAL_NAME.match(state.src, state.pos, state.posMax)
    name = special or _CODE_NAME.match(state.src, state.pos, state.posMax)
    return name.end() if name else None


def _end_of_operator(state: StateInline) -> int | None:
    """End of a run of asterisks with an operand on either side: `2*3*4`, `(a)*(b)*c`, `x**2 + y**2`.

    Two or more are an operator only next to a digit, since bold inside a word is common ("**H**yper").
    """
    end = state.pos
    while end < state.posMax and state.src[end] == "*":
        end += 1
    before = state.src[state.pos - 1] if state.pos else " "
    after = state.src[end] if end < state.posMax else " "
    if not (_is_word(before) or before in ")]") or not (_is_word(after) or after in "(["):
        return None
    if end - state.pos == 1:
        is_operator = _is_word(after) or not before.isalpha()
    else:
        is_operator = _is_word(after) and (before.isdigit() or after.isdigit())
    return end if is_operator else None


def _is_word(char: str) -> bool:
    """A letter or digit of a script that puts spaces between words; Chinese has bold inside a sentence."""
    return char.isalnum() and char < "\u0e00"


InlineRule = Callable[[StateInline, bool], bool]


def _within_reach(rule: InlineRule) -> InlineRule:
    """`rule`, looking no further than `_LONGEST_LINK` characters."""

    def bounded(state: StateInline, silent: bool) -> bool:
        end = state.posMax
        reach = min(end, state.pos + _LONGEST_LINK)
        if state.src[state.pos] not in "[!" or state.src.find("]", state.pos, reach) < 0:
            return False
        state.posMax = reach
        try:
            return rule(state, silent)
        finally:
            state.posMax = end

    return bounded


def _build() -> MarkdownIt:
    parser = _Parser("commonmark", {"maxNesting": _DEEPEST, "store_labels": True})
    parser.enable(["table", "strikethrough"])
    # Blocks of HTML are read as paragraphs with tags in them, so that the markdown inside still counts.
    parser.disable("html_block")
    parser.block.ruler.at(
        "blockquote", _keeping_comparisons, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    parser.block.ruler.at("paragraph", _paragraph)
    parser.inline.ruler.at("newline", _newline)
    parser.inline.ruler.before("escape", "verbatim", _verbatim)
    parser.inline.ruler.at("emphasis", _emphasis)
    parser.inline.ruler.at("link", _within_reach(link))
    parser.inline.ruler.at("image", _within_reach(image))
    return parser


_PARSER = _build()
