"""The documentation's pages inside the console, so that a reason's link works where there is no internet.

They are the files of docs/, rendered when asked for. Their headings have the anchors that GitHub gives them.
"""

import functools
import re
from pathlib import Path

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from openclaw_sms.diagnostics.help import anchor

TROUBLESHOOTING = "troubleshooting"
# What an operator looks up while at the console.
PAGES = (TROUBLESHOOTING, "configuration", "reference", "operations", "reliability")
_PAGE = re.compile(r"(?:docs/)?(?P<page>[a-z-]+)\.md(?P<anchor>#[\w-]+)?")


def help_address(code: str) -> str:
    """Where the console explains `code`; "" for no code."""
    return f"{reverse('help', args=[TROUBLESHOOTING])}#{anchor(code)}" if code else ""


def help_link(code: str) -> SafeString:
    return format_html('<a class="sms-link" href="{}">Help</a>', help_address(code)) if code else SafeString("")


def page_view(request: HttpRequest, page: str) -> HttpResponse:
    """One page of the documentation, for whoever may use the console."""
    path = Path(settings.BASE_DIR) / "docs" / f"{page}.md"
    if page not in PAGES or not path.is_file():
        raise Http404("There is no such page.")
    context = {
        **admin.site.each_context(request),
        "title": page.capitalize(),
        "content_html": _rendered(path, path.stat().st_mtime_ns),
    }
    return TemplateResponse(request, "admin/openclaw_sms/help.html", context)


@functools.lru_cache(maxsize=len(PAGES))
def _rendered(path: Path, changed: int) -> SafeString:
    """The page as HTML. It is our own file, and markup in it is still shown, not obeyed."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(path.read_text(encoding="utf-8"))
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following is not None:
            token.attrSet("id", anchor(_words(following)))
        for child in token.children or ():
            _lead_to_the_console(child)
    rendered: str = parser.renderer.render(tokens, parser.options, {})
    return mark_safe(rendered)  # noqa: S308 - escaped by the renderer


def _words(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _lead_to_the_console(token: Token) -> None:
    """A link to a neighbouring file leads to its page here."""
    if token.type != "link_open":
        return
    found = _PAGE.fullmatch(str(token.attrGet("href") or ""))
    if found and found["page"] in PAGES:
        token.attrSet("href", reverse("help", args=[found["page"]]) + (found["anchor"] or ""))
    token.attrSet("class", "sms-link")
