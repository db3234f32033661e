"""One run of inline markdown as plain text: the words inside a paragraph, a heading or a table cell."""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

from markdown_it.token import Token


def inline_text(tokens: Iterable[Token]) -> str:
    """The words of `tokens`, with every address kept, without blank lines at either end."""
    line = _Line()
    for token in tokens:
        line.add(token)
    return re.sub(r"\n\s*\n\s*\n", "\n\n", line.finished()).strip("\n")


@dataclass(frozen=True, slots=True)
class _OpenLink:
    """A link whose label is being read. One written in HTML may miss its end, or have one too many."""

    label_starts: int
    url: str
    is_html: bool


class _Line:
    """Collects text; a link stays open until its label is complete."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._open_links: list[_OpenLink] = []

    def add(self, token: Token) -> None:
        match token.type:
            case "text" | "code_inline":
                self._pieces.append(token.content)
            case "softbreak" | "hardbreak":
                self._pieces.append("\n")
            case "link_open":
                self._open_link(str(token.attrGet("href") or ""), is_html=False)
            case "link_close":
                self._close_markdown_link()
            case "image":
                alt = inline_text(token.children or [])
                self._pieces.append(_with_address(alt, str(token.attrGet("src") or "")))
            case "html_inline":
                self._add_html(token.content)
            # Emphasis and strikethrough are marks only.

    def finished(self) -> str:
        while self._open_links:
            self._close_link()
        return "".join(self._pieces)

    def _open_link(self, url: str, *, is_html: bool) -> None:
        self._open_links.append(_OpenLink(len(self._pieces), url, is_html))

    def _close_markdown_link(self) -> None:
        while self._open_links[-1].is_html:
            self._close_link()
        self._close_link()

    def _close_link(self) -> None:
        link = self._open_links.pop()
        label = "".join(self._pieces[link.label_starts :])
        self._pieces[link.label_starts :] = [_with_address(label, link.url)]

    def _add_html(self, tag: str) -> None:
        """Known tags go, with a line break or an address where they meant one; unknown ones are words."""
        if tag.startswith("<!--"):
            return
        known = _KNOWN_TAG.fullmatch(tag)
        if known is None:
            self._pieces.append(tag)
            return
        name, closes = known["name"].lower(), tag.startswith("</")
        if name == "br":
            self._pieces.append("\n")
        elif name == "img":
            self._pieces.append(_with_address(_attribute(tag, "alt"), _attribute(tag, "src")))
        elif name == "a":
            self._add_html_link(tag, closes)
        elif not closes and _OWN_LINE.fullmatch(name):
            self._start_line("- " if name == "li" else "")

    def _add_html_link(self, tag: str, closes: bool) -> None:
        if not closes:
            self._open_link(_attribute(tag, "href"), is_html=True)
        elif self._open_links and self._open_links[-1].is_html:
            self._close_link()

    def _start_line(self, mark: str) -> None:
        written = bool(self._pieces) and not self._pieces[-1].endswith("\n")
        self._pieces.append(f"\n{mark}" if written else mark)


_OWN_LINE = re.compile(r"blockquote|div|h[1-6]|li|ol|p|pre|table|tr|ul")
_ATTRIBUTE = r"""\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+)"""
# Attributes need a value here: in "a <b and c> d" there is no tag.
_KNOWN_TAG = re.compile(
    r"</?(?P<name>a|b|blockquote|br|center|code|del|details|div|em|font|h[1-6]|i|img|ins|kbd|li|mark|ol|p|pre|s"
    r"|small|span|strike|strong|sub|summary|sup|table|tbody|td|th|thead|tr|tt|u|ul)"
    rf"(?:{_ATTRIBUTE})*\s*/?>",
    re.IGNORECASE,
)


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf"""\s{name}\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+))""", tag, re.IGNORECASE)
    return html.unescape(next(filter(None, found.groups()), "")) if found else ""


def _with_address(label: str, url: str) -> str:
    """`label (url)`, or only one of them when the other says the same or nothing."""
    label = label.strip()
    if not url:
        return label
    if not label or label == url:
        return url
    if _bare(label) != _bare(url):
        return f"{label} ({url})"
    # Phones make a link of a bare number or mail address, and the scheme would only be noise.
    return label if url.lower().startswith(("mailto:", "tel:")) else url


def _bare(address: str) -> str:
    """`address` without what people leave out when they write it: scheme, www, last slash, separators."""
    address = re.sub(r"^(?:https?://(?:www\.)?|www\.|mailto:|tel:)", "", address.strip(), flags=re.IGNORECASE)
    if re.fullmatch(r"\+?[\d\s().-]+", address):
        return re.sub(r"[\s().-]", "", address)
    return address.rstrip("/")
