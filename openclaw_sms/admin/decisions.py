"""Decisions of an operator: buttons that post, and the routes they post to.

A decision is never a link. A browser that fetches ahead, a mail scanner or a picture in a text must not approve
anybody, so the routes answer POST with a CSRF token and nothing else. What a decision does is `access`' and
`messaging`'s business; here it is offered, passed on, and its outcome told.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from openclaw_sms.access.audit import Actor
from openclaw_sms.access.pairing import PairingError
from openclaw_sms.access.tokens import TokenError
from openclaw_sms.admin.components import ConsoleAdmin, ReadOnlyAdmin, Row, may_decide, operator
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.messaging.decisions import ANSWERABLE, AlreadyDecided, Erased, is_undelivered
from openclaw_sms.messaging.event_delivery import AlreadySent
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.models import (
    InboundMessage,
    InboundState,
    OutboundPart,
    PairingRequest,
    PairingState,
    PartState,
    Reason,
)

# What a decision may be refused with; the message is the operator's sentence.
REFUSALS = (
    AlreadyDecided,
    AlreadySent,
    ConfigurationError,
    Erased,
    ImproperlyConfigured,
    PairingError,
    TokenError,
    Withheld,
)
NOTHING_TO_ANSWER = frozenset({Reason.EMPTY, Reason.STOP_WORD, Reason.START_WORD, Reason.HELP_WORD})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision did, in one sentence; `warning` is what did not work beside it."""

    sentence: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """A button: its words, the address it posts to, and whether it is the one a person most often wants."""

    label: str
    url: str
    first: bool = False
    choices: tuple[str, ...] | None = None  # not None: the decision may name a MessageSid, perhaps one of these

    @property
    def list_id(self) -> str:
        return "sids" + self.url.replace("/", "-")


Verdict = Callable[[Row, Actor, datetime], Outcome]


class DecidingAdmin(ReadOnlyAdmin[Row]):
    """Read-only rows with decisions: POST `<row>/<name>/` for each of `verdicts`, for those who may change them."""

    change_form_outer_before_template = "admin/openclaw_sms/decisions.html"

    def verdicts(self) -> Mapping[str, Verdict[Row]]:
        raise NotImplementedError

    def offered(self, row: Row) -> list[Decision]:
        """The decisions that make sense for `row` now, for its own page."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        routes: list[URLPattern] = [
            path(
                f"<int:pk>/{name}/",
                self.admin_site.admin_view(require_POST(functools.partial(self._decide, verdict=verdict))),
                name=_route(self.model, name),
            )
            for name, verdict in self.verdicts().items()
        ]
        return routes + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if may_decide(request, self.model) else None
        offered = self.offered(row) if row is not None else []
        context = {**(extra_context or {}), "decisions": offered, "next": request.get_full_path()}
        return super().change_view(request, object_id, form_url, context)

    def decided(self, request: HttpRequest, row: Row, verdict: Verdict[Row]) -> Outcome:
        """Pass the decision on. A subclass adds what the operator named beside it."""
        return verdict(row, operator(request), timezone.now())

    def _decide(self, request: HttpRequest, pk: int, *, verdict: Verdict[Row]) -> HttpResponse:
        if not may_decide(request, self.model):
            raise PermissionDenied
        row = get_object_or_404(self.model._default_manager, pk=pk)
        try:
            outcome = self.decided(request, row, verdict)
        except REFUSALS as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, outcome.sentence)
            if outcome.warning:
                messages.warning(request, outcome.warning)
        return HttpResponseRedirect(_next(request) or _page(row))


def on_request(request: PairingRequest, *, notify: bool = True) -> list[Decision]:
    """Let in, or not. Offered while the request waits."""
    if request.state != PairingState.PENDING:
        return []
    telling = [decision("Approve and notify", request, "approve-and-notify")] if notify else []
    return [
        decision("Approve", request, "approve", first=True),
        *telling,
        decision("Dismiss", request, "dismiss"),
    ]


def on_text(text: InboundMessage | None, *, admitted: bool, label: str = "Answer now") -> list[Decision]:
    """Answer a text after all; only where the policy would now let it through, and there is something to answer."""
    if text is None or not admitted or text.state not in ANSWERABLE:
        return []
    if text.reason in NOTHING_TO_ANSWER or text.erased_at is not None:
        return []
    return [decision(label, text, "answer", first=text.state != InboundState.SILENT)]


def on_part(part: OutboundPart) -> list[Decision]:
    """What to do about a part that did not go out, or that perhaps did. Without its words it cannot go out again."""
    if part.message.erased_at is not None:
        return [decision("Mark as sent", part, "mark-sent")] if part.state == PartState.UNCERTAIN else []
    if part.state == PartState.UNCERTAIN:
        sent = replace(decision("Mark as sent", part, "mark-sent"), choices=tuple(part.candidates))
        return [sent, decision("Send again", part, "send-again")]
    if part.state == PartState.FAILED or is_undelivered(part):
        return [decision("Send again", part, "send-again")]
    return []


def buttons(decisions: Iterable[Decision], *, back: str) -> SafeString:
    """The decisions for a row of a list: they use the list's own form, which carries the CSRF token."""
    shown = format_html_join(
        " ",
        '<button type="submit" class="sms-button{}" formaction="{}" name="next" value="{}">{}</button>',
        ((" sms-first" if one.first else "", one.url, back, one.label) for one in decisions),
    )
    return format_html('<span class="sms-buttons">{}</span>', shown)


def list_address(admin: ConsoleAdmin[Row]) -> str:
    return reverse(f"admin:{admin.opts.app_label}_{admin.opts.model_name}_changelist")


def decision(label: str, row: Model, name: str, *, first: bool = False) -> Decision:
    """A button that posts to the route of `name`, one of the row's admin's `verdicts`."""
    return Decision(label, reverse(f"admin:{_route(type(row), name)}", args=[row.pk]), first)


def _route(model: type[Model], name: str) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}_{name}"


def _page(row: Model) -> str:
    return reverse(f"admin:{_route(type(row), 'change')}", args=[row.pk])


def _next(request: HttpRequest) -> str:
    """Where the button was, if that is a page of ours."""
    address = request.POST.get("next", "")
    return address if url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}) else ""
