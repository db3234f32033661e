"""A document as lines: what stands where, and how much air is between.

Bullets come out as "- ". A typographic bullet would not fit the GSM-7 alphabet, and a single one would make
the whole text travel as UCS-2 at more than twice the price.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from markdown_it.token import Token

from openclaw_sms.text.dialect import Document
from openclaw_sms.text.inline import inline_text


def lay_out(document: Document) -> list[str]:
    """The lines of `document`: blocks in order, a blank line between two where the source has any.

    A list item is indented as far as the text of the item it belongs to. Quotes and rules leave no mark.
    """
    page = _Page(document)
    for token in document.tokens:
        page.add(token)
    page.finish()
    return page.lines


@dataclass(slots=True)
class _List:
    """An open list; `source_number` is the number its latest item has in the source."""

    number: int = 0
    source_number: str = ""

    def marker(self, item: Token) -> str:
        """Numbers as written, except that a list numbered "1. 1. 1." counts. A plus stays a plus: it may be
        a sign."""
        if not item.info:
            return "- " if item.markup == "*" else f"{item.markup} "
        repeated = item.info == self.source_number
        self.number = self.number + 1 if repeated else int(item.info)
        self.source_number = item.info
        return f"{self.number if repeated else item.info}{item.markup} "


class _Page:
    """Writes blocks one after the other, keeping track of the indent and of the source line it is at."""

    def __init__(self, document: Document) -> None:
        self.lines: list[str] = []
        self._source = document.lines
        self._definitions = list(reversed(document.unused_definitions))
        self._written_to = 0
        self._indents: list[str] = []
        self._lists: list[_List] = []
        self._marker = ""
        self._block = (0, 0)
        self._heading_mark = ""
        self._rows: list[list[str]] = []

    def add(self, token: Token) -> None:
        """Take the next block token; the kinds without a step of their own leave no mark."""
        step = _STEPS.get(token.type)
        if step:
            step(self, token)

    def finish(self) -> None:
        """Write what is left when the last token is in."""
        self._write_definitions_before(len(self._source))

    def _open_block(self, token: Token) -> None:
        self._block, self._heading_mark = _lines_of(token), token.markup

    def _add_inline(self, token: Token) -> None:
        text = inline_text(token.children or [])
        if self._rows:
            self._rows[-1].append(" ".join(text.split()))
            return
        lines = text.split("\n") if text else []
        if self._heading_mark in ("-", "="):
            # A lone dash under a line is how a signature or a minus begins; three are a heading.
            underline = self._source[self._block[1] - 1].strip("> \t")
            lines += [underline] if len(underline) < 3 else []
        if lines:
            lines[0] = self._own_indent(self._block[0]) + lines[0]
        self._write(self._block, lines)

    def _add_fence(self, token: Token) -> None:
        lines = _code_lines(token)
        # "~~~ like this ~~~" opens a fence too. A language is one word, or has attributes.
        is_prose = not lines or (" " in token.info.strip() and not re.search(r"[={:]", token.info))
        self._write(_lines_of(token), [token.info.strip(), *lines] if token.info and is_prose else lines)

    def _add_indented_code(self, token: Token) -> None:
        lines = _code_lines(token)
        if self.lines:
            lines = [f"    {line}" if line else "" for line in lines]
        self._write(_lines_of(token), lines)

    def _open_list(self, token: Token) -> None:
        self._lists.append(_List())
        self._indents.append(self._own_indent(_lines_of(token)[0]))

    def _close_list(self, _token: Token) -> None:
        self._lists.pop()
        self._indents.pop()

    def _open_item(self, token: Token) -> None:
        self._block = _lines_of(token)
        marker = self._lists[-1].marker(token)
        self._marker += marker
        self._indents.append(" " * len(marker))

    def _close_item(self, _token: Token) -> None:
        if self._marker:
            self._write(self._block, [""])
        self._indents.pop()

    def _open_table(self, token: Token) -> None:
        self._block, self._rows = _lines_of(token), []

    def _open_row(self, _token: Token) -> None:
        self._rows.append([])

    def _close_table(self, _token: Token) -> None:
        rows, self._rows = self._rows, []
        self._write(self._block, _table_lines(rows))

    def _own_indent(self, line: int) -> str:
        """The spaces before a line that stands in no list. A reply never begins with any."""
        if self._indents or not self.lines:
            return ""
        text = self._source[line]
        return text[: len(text) - len(text.lstrip(" "))]

    def _write(self, block: tuple[int, int], lines: list[str]) -> None:
        if not lines:
            return
        first, end = block
        self._write_definitions_before(first)
        if self.lines and first > self._written_to:
            self.lines.append("")
        indent = "".join(self._indents)
        head = indent[: len(indent) - len(self._marker)] + self._marker
        self._marker = ""
        self.lines.append((head + lines[0]).rstrip() if head.strip() else head + lines[0])
        self.lines += [indent + line if line.strip() else line for line in lines[1:]]
        self._written_to = end

    def _write_definitions_before(self, line: int) -> None:
        while self._definitions and self._definitions[-1][0] < line:
            first, end = self._definitions.pop()
            self._write((first, end), [text.strip("> \t") for text in self._source[first:end]])


_STEPS: dict[str, Callable[[_Page, Token], None]] = {
    "paragraph_open": _Page._open_block,
    "heading_open": _Page._open_block,
    "inline": _Page._add_inline,
    "fence": _Page._add_fence,
    "code_block": _Page._add_indented_code,
    "bullet_list_open": _Page._open_list,
    "ordered_list_open": _Page._open_list,
    "bullet_list_close": _Page._close_list,
    "ordered_list_close": _Page._close_list,
    "list_item_open": _Page._open_item,
    "list_item_close": _Page._close_item,
    "table_open": _Page._open_table,
    "tr_open": _Page._open_row,
    "table_close": _Page._close_table,
}


def _lines_of(token: Token) -> tuple[int, int]:
    first, end = token.map or (0, 0)
    return first, end


def _code_lines(token: Token) -> list[str]:
    return token.content.removesuffix("\n").split("\n") if token.content else []


def _table_lines(rows: list[list[str]]) -> list[str]:
    """A line for each row, "Name: Tea; Price: 3", or the headers alone when there are no rows."""
    headers = [header.rstrip(":") for header in rows[0]]
    if len(rows) == 1:
        return ["; ".join(filter(None, headers))]
    lines = [_row(headers, row) for row in rows[1:]]
    return [line for line in lines if line]


def _row(headers: Iterable[str], cells: Iterable[str]) -> str:
    named = (f"{header}: {cell}" if header else cell for header, cell in zip(headers, cells, strict=False) if cell)
    return "; ".join(named)
